#!/usr/bin/env python3
"""Writes a Qwen3-MoE checkpoint of random BF16 weights, shard by shard: models larger than memory to run from the mapping.

    random_checkpoint.py configs/Qwen_Qwen3-30B-A3B/config.json OUT --layers 24          # 31.2 GB

Weights are windows of one array of normal numbers with the deviation a trained model has; norms are ones. There is no
tokenizer: moe-run wants the files of one beside it, moe-bench none.
"""
import argparse
import json
import pathlib
import struct

import numpy as np


def bf16(values: np.ndarray) -> np.ndarray:
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


class Pool:
    """Windows of random numbers, another one for each tensor."""

    def __init__(self, seed: int, size: int = 1 << 26):
        self.values = bf16(np.random.default_rng(seed).normal(0, 0.02, size))
        self.at = 0

    def chunks(self, count: int):
        while count > 0:
            window = self.values[self.at:self.at + count]
            self.at = (self.at + len(window) + 4099) % len(self.values)
            count -= len(window)
            yield window.tobytes()


def layer_tensors(config: dict, layer: int):
    hidden, heads, head = config["hidden_size"], config["num_attention_heads"], config["head_dim"]
    kv, experts, width = config["num_key_value_heads"], config["num_experts"], config["moe_intermediate_size"]
    name = f"model.layers.{layer}."
    attention = {"q_proj": (heads * head, hidden), "k_proj": (kv * head, hidden), "v_proj": (kv * head, hidden),
                 "o_proj": (hidden, heads * head), "q_norm": (head,), "k_norm": (head,)}
    for part, shape in attention.items():
        yield f"{name}self_attn.{part}.weight", shape
    for norm in ("input_layernorm", "post_attention_layernorm"):
        yield f"{name}{norm}.weight", (hidden,)
    yield f"{name}mlp.gate.weight", (experts, hidden)
    for e in range(experts):
        for part, shape in {"gate_proj": (width, hidden), "up_proj": (width, hidden), "down_proj": (hidden, width)}.items():
            yield f"{name}mlp.experts.{e}.{part}.weight", shape


def write_shard(path: pathlib.Path, tensors: list, pool: Pool) -> int:
    header, at = {}, 0
    for name, shape in tensors:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors:
            if len(shape) == 1:
                file.write(bf16(np.ones(shape)).tobytes())
                continue
            for chunk in pool.chunks(int(np.prod(shape))):
                file.write(chunk)
    return at


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    config = json.loads(options.config.read_text())
    if config.get("model_type") != "qwen3_moe":
        parser.error(f"{options.config}: model_type: expected qwen3_moe, found {config.get('model_type')}")
    config["num_hidden_layers"] = options.layers or config["num_hidden_layers"]
    options.out.mkdir(parents=True, exist_ok=True)
    vocabulary = (config["vocab_size"], config["hidden_size"])
    ends = [("model.embed_tokens.weight", vocabulary), ("model.norm.weight", vocabulary[1:]), ("lm_head.weight", vocabulary)]
    shards = [list(layer_tensors(config, i)) for i in range(config["num_hidden_layers"])] + [ends]
    pool, files, total = Pool(options.seed), {}, 0
    for i, tensors in enumerate(shards):
        file = f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
        total += write_shard(options.out / file, tensors, pool)
        files |= {name: file for name, _ in tensors}
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (options.out / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))
    (options.out / "config.json").write_text(json.dumps(config, indent=1))
    print(f"{total / 1e9:.2f} GB in {len(shards)} shards")


if __name__ == "__main__":
    main()
