#!/usr/bin/env python3
"""Writes a checkpoint of random weights in a model's real layer shapes and stored types, cut to a few layers.

Its use: does a program need the memory that moe-inspect predicts?

    pip install torch transformers numpy
    full_shape.py CONFIG_DIRECTORY OUT_DIRECTORY --layers 2 --check build/release/bin

Names and shapes come from transformers' own classes, made without memory. Random numbers say nothing about speed of
routing or text; they only fill memory.
"""
import argparse
import itertools
import json
import math
import pathlib
import subprocess

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

EXPERT_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts")
QUANT_BLOCK = 128  # of DeepSeek's FP8


def cut_config(directory: pathlib.Path, layers: int, experts: int | None) -> dict:
    config = json.loads((directory / "config.json").read_text())
    config = {"dtype": config.get("dtype"), **config.get("text_config", config)}
    if config.get("layer_types"):
        # Kinds of layers by turns, so that every shape is tried; the last one is full where the family wants it so.
        kinds = sorted(set(config["layer_types"]), reverse=True)
        config["layer_types"] = [kinds[i % len(kinds)] for i in range(layers)]
    if config.get("num_kv_shared_layers"):
        config["num_kv_shared_layers"] = layers // 2
    if config.get("first_k_dense_replace"):
        config["first_k_dense_replace"] = 1
    config["num_hidden_layers"] = layers
    for key in EXPERT_COUNTS:
        if experts and config.get(key):
            config[key] = experts
    return config


def stored(config: dict, name: str, shape: tuple[int, ...], tied: bool) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The tensors of one of transformers' parameters as published files have them: name -> type and shape."""
    method = (config.get("quantization_config") or {}).get("quant_method")
    if tied and name == "lm_head.weight":
        return {}
    if name.endswith(("experts.gate_up_proj", "experts.down_proj")) and method == "mxfp4":
        experts, inputs, outputs = shape
        return {name + "_blocks": ("U8", (experts, outputs, inputs // 32, 16)), name + "_scales": ("U8", (experts, outputs, inputs // 32))}
    if config["model_type"] in ("qwen3_moe", "deepseek_v3") and name.endswith(("experts.gate_up_proj", "experts.down_proj")):
        experts, rows, columns = shape
        parts = {"gate_proj": rows // 2, "up_proj": rows // 2} if "gate_up" in name else {"down_proj": rows}
        base = name[: name.rindex(".") + 1]
        out = {}
        for e in range(experts):
            for part, part_rows in parts.items():
                out.update(stored(config, f"{base}{e}.{part}.weight", (part_rows, columns), tied))
        return out
    if method == "fp8" and len(shape) == 2 and "proj" in name:
        blocks = tuple(-(-size // QUANT_BLOCK) for size in shape)
        return {name: ("F8_E4M3", shape), name + "_scale_inv": ("F32", blocks)}
    return {name: ("BF16", shape)}


def shapes(config: dict, scratch: pathlib.Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    (scratch / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    if config["model_type"] == "moe_alibi":
        from alibi_moe import AlibiMoeConfig, AlibiMoeForCausalLM
        make = lambda: AlibiMoeForCausalLM(AlibiMoeConfig(**config))
    else:
        make = lambda: AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(scratch))
    with torch.device("meta"):
        model = make()
    tied = config.get("tie_word_embeddings", getattr(model.config, "tie_word_embeddings", False))
    found = {}
    for name, tensor in model.state_dict().items():
        found.update(stored(config, name, tuple(tensor.shape), tied))
    return found


SIZES = {"BF16": 2, "F32": 4, "U8": 1, "F8_E4M3": 1}


def random_numbers(rng: np.random.Generator, name: str, kind: str, count: int) -> bytes:
    """bf16 and 8-bit floats of a random sign, a small exponent and a random mantissa; MXFP4 blocks with small scales."""
    if kind == "BF16":
        bits = rng.integers(0, 1 << 16, count, dtype=np.uint16)
        return ((bits & 0x8000) | ((119 + ((bits >> 7) & 3)) << 7) | (bits & 0x7F)).astype("<u2").tobytes()
    if kind == "F32":
        return np.full(count, 2.0**-4, "<f4").tobytes()
    if name.endswith("_scales"):
        return np.full(count, 121, np.uint8).tobytes()
    bits = rng.integers(0, 256, count, dtype=np.uint8)
    return (bits if kind == "U8" else bits & 0xBF).tobytes()


def write(path: pathlib.Path, tensors: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    header, at = {}, 0
    for name, (kind, shape) in tensors.items():
        size = SIZES[kind] * math.prod(shape)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(7)
    pieces = {}  # one of each kind, written again and again: they are to fill memory, and making them takes longest
    with path.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for name, (kind, shape) in tensors.items():
            key = kind, name.endswith("_scales")
            if key not in pieces:
                pieces[key] = random_numbers(rng, name, kind, 1 << 23)
            left = SIZES[kind] * math.prod(shape)
            while left:
                left -= out.write(pieces[key][:left])


def check(programs: pathlib.Path, directory: pathlib.Path, tokens: int, weights: str, threads: int) -> bool:
    """Runs the model and prints what it took beside what moe-inspect says of its config.json."""
    steps, chunk = 4, 512
    said = json.loads(subprocess.run([programs / "moe-inspect", directory, "--json", "--context", str(tokens + steps), "--chunk", str(chunk)],
                                     check=True, capture_output=True).stdout)
    ids = directory / "ids.json"
    vocab = json.loads((directory / "config.json").read_text())["vocab_size"]
    ids.write_text(json.dumps([7919 * i % vocab for i in range(tokens)]))  # from all over the table
    command = [programs / "moe-run", "-m", directory, "--prompt-ids", ids, "-n", str(steps), "--temp", "0", "--ignore-eos", "--json",
               "--chunk", str(chunk), "--weights", weights, "--threads", str(threads)]
    memory = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["memory"]
    needed = said["memory"][0]
    parts = [("loaded", said["resident_weight_bytes"][weights] + needed["program_bytes"], memory["after_load_rss_bytes"]),
             ("peak", needed["bytes"][weights], memory["peak_rss_bytes"])]
    print(f"{directory.name:36s} {weights:6s} {threads} threads {tokens:5d} tokens" + "".join(
        f"  {what} {found / 1e6:7.1f} MB of {expected / 1e6:7.1f} ({100 * (found / expected - 1):+.2f} %)"
        for what, expected, found in parts), flush=True)
    return all(abs(found / expected - 1) <= 0.03 for _, expected, found in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=pathlib.Path, help="directory with the real config.json")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--experts", type=int, help="fewer experts than the model's, where one layer alone would fill the memory")
    parser.add_argument("--check", type=pathlib.Path, metavar="BIN", help="run the programs there and compare; 1 where a figure is off by over 3 %%")
    parser.add_argument("--tokens", type=int, nargs="+", default=[64], help="of the prompts that --check runs")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="that --check tries")
    parser.add_argument("--weights", nargs="+", default=["native"], help="types of weights that --check tries")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    config = cut_config(arguments.config, arguments.layers, arguments.experts)
    write(arguments.out / "model.safetensors", shapes(config, arguments.out))
    if arguments.check:
        tries = itertools.product(arguments.tokens, arguments.weights, arguments.threads)
        found = [check(arguments.check, arguments.out, *what) for what in tries]
        raise SystemExit(0 if all(found) else 1)


if __name__ == "__main__":
    main()
