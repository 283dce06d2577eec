"""Compares moe-convert's output for a GGUF file with transformers' own reading of that file: every tensor to the bit, the
configuration in meaning, and token ids over the lines of text files.

Needs: pip install torch transformers gguf tokenizers safetensors
Usage: python3 compare_conversion.py model.gguf out_dir [text.txt ...]

transformers knows fewer pre-tokenizers than GGUF files name. For "smollm" it splits digits as GPT-2 does, for "qwen2" it
composes no characters, and it keeps U+2581 in gemma's input: lines where ids differ for these reasons are counted, not
hidden. Exit code 1 if a tensor or a configuration value differs.
"""

from __future__ import annotations

import os
import sys

import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint


def compare_tensors(gguf: str, folder: str, config) -> int:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    wanted = load_gguf_checkpoint(gguf, return_tensors=True, model_to_load=model)["tensors"]
    names = sorted(name for name in os.listdir(folder) if name.endswith(".safetensors"))
    found = {name: file for file in (safe_open(os.path.join(folder, one), "pt") for one in names) for name in file.keys()}
    bad = sorted(set(found) ^ set(wanted))
    for name in sorted(set(found) & set(wanted)):
        ours, theirs = found[name].get_tensor(name), wanted[name].contiguous()
        if ours.shape != theirs.shape or not torch.equal(ours.view(torch.int32), theirs.view(torch.int32)):
            bad.append(name)
    print(f"tensors: {len(found)} compared, {len(bad)} differ {bad[:5]}")
    return len(bad)


def compare_config(gguf: str, config) -> int:
    wanted = load_gguf_checkpoint(gguf)["config"]
    bad = []
    for key, value in wanted.items():
        if key in ("_model_name_or_path", "unk_token_id"):
            continue
        ours = config.rope_parameters.get("rope_theta", value) if key == "rope_theta" else getattr(config, key, None)
        close = isinstance(value, float) and isinstance(ours, (int, float)) and abs(ours - value) <= 1e-6 * abs(value)
        if ours != value and not close:
            bad.append((key, ours, value))
    print(f"config: {len(wanted)} keys compared, {len(bad)} differ {bad}")
    return len(bad)


def compare_ids(gguf: str, folder: str, files: list[str]) -> None:
    ours = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    theirs = AutoTokenizer.from_pretrained(os.path.dirname(gguf) or ".", gguf_file=os.path.basename(gguf))
    lines = [line.rstrip("\n") for name in files for line in open(name, encoding="utf-8")]
    different = [line for line in lines
                 if ours.encode(line, add_special_tokens=False).ids != theirs.encode(line, add_special_tokens=False)]
    print(f"texts: {len(lines)} compared, {len(different)} differ {different[:3]}")


def main() -> None:
    gguf, folder, *files = sys.argv[1:]
    config = AutoConfig.from_pretrained(folder)
    bad = compare_config(gguf, config) if config.model_type != "gemma3_text" else 0
    bad += compare_tensors(gguf, folder, config)
    compare_ids(gguf, folder, files)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
