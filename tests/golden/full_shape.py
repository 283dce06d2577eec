#!/usr/bin/env python3
"""Writes a checkpoint of random bf16 weights in a model's real layer shapes, cut to a few layers.

Its use: does a program need the memory that moe-inspect predicts?

    pip install torch transformers numpy
    full_shape.py CONFIG_DIRECTORY OUT_DIRECTORY --layers 2
    moe-inspect OUT_DIRECTORY --json                                  # resident_weight_bytes.bf16
    moe-run -m OUT_DIRECTORY --prompt-ids ids.json -n 4 --json        # memory.after_load_rss_bytes

Names and shapes come from transformers' own classes, made without memory. Random numbers say nothing about speed of
routing or text; they only fill memory.
"""
import argparse
import json
import pathlib

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

CUT_LISTS = ("layer_types",)


def cut_config(directory: pathlib.Path, layers: int) -> dict:
    config = json.loads((directory / "config.json").read_text())
    config = config.get("text_config", config)
    for key in CUT_LISTS:
        if config.get(key):
            # Both kinds of layers, so that both shapes are tried.
            kinds = list(dict.fromkeys(config[key]))
            config[key] = [kinds[min(i, len(kinds) - 1)] for i in range(layers)]
    config["num_hidden_layers"] = layers
    if config.get("num_kv_shared_layers"):
        config["num_kv_shared_layers"] = 0
    return config


def shapes(config: dict, scratch: pathlib.Path) -> dict[str, tuple[int, ...]]:
    """Names as published checkpoints have them: experts one by one where the family stores them so."""
    (scratch / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(scratch))
    tied = config.get("tie_word_embeddings", getattr(model.config, "tie_word_embeddings", False))
    found = {}
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        if config["model_type"] == "qwen3_moe" and name.endswith("experts.gate_up_proj"):
            experts, rows, cols = tensor.shape
            for e in range(experts):
                for part in ("gate_proj", "up_proj"):
                    found[f"{name[:-len('gate_up_proj')]}{e}.{part}.weight"] = (rows // 2, cols)
        elif config["model_type"] == "qwen3_moe" and name.endswith("experts.down_proj"):
            for e in range(tensor.shape[0]):
                found[f"{name[:-len('down_proj')]}{e}.down_proj.weight"] = tuple(tensor.shape[1:])
        else:
            found[name] = tuple(tensor.shape)
    return found


def random_bf16(rng: np.random.Generator, count: int) -> bytes:
    """Numbers of size 2^-8 to 2^-4: a random sign, exponent and mantissa."""
    bits = rng.integers(0, 1 << 16, count, dtype=np.uint16)
    return ((bits & 0x8000) | ((119 + ((bits >> 7) & 3)) << 7) | (bits & 0x7F)).astype("<u2").tobytes()


def write(path: pathlib.Path, tensors: dict[str, tuple[int, ...]]) -> None:
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 2 * int(np.prod(shape, dtype=np.int64))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(7)
    with path.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for shape in tensors.values():
            left = int(np.prod(shape, dtype=np.int64))
            while left:
                count = min(left, 1 << 24)
                out.write(random_bf16(rng, count))
                left -= count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=pathlib.Path, help="directory with the real config.json")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / "model.safetensors", shapes(cut_config(arguments.config, arguments.layers), arguments.out))


if __name__ == "__main__":
    main()
