#!/usr/bin/env python3
"""Compares greedy generation of moe-run with transformers (fp32) on the same model directory, token for token.

Needs: pip install torch transformers. Usage: compare_generation.py MOE_RUN MODEL_DIR [--other DIR ...] [--tokens N]
With --other, further directories (an upcycled copy of the model, say) must write the same tokens too.
"""
import argparse
import json
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "def fibonacci(n):\n    ",
    "Question: What is 17 + 25?\nAnswer:",
    "The three states of matter are",
    "<|im_start|>user\nName three colours of the rainbow.<|im_end|>\n<|im_start|>assistant\n",
    "Dear Sir or Madam,\n\nI am writing to",
    "1, 2, 3, 4, 5, 6,",
    "Photosynthesis is the process by which plants",
    "Der schnelle braune Fuchs springt \u00fcber den faulen Hund. \u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3002",
]


def moe_run(program, model, ids, tokens):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(ids, file)
        file.flush()
        command = [program, "-m", model, "--prompt-ids", file.name, "-n", str(tokens), "--temp", "0", "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--other", action="append", default=[])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--prompt", action="append")
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    different = 0
    prompts = args.prompt or PROMPTS
    for prompt in prompts:
        ids = tokenizer.encode(prompt)
        with torch.no_grad():
            out = model.generate(torch.tensor([ids]), max_new_tokens=args.tokens, do_sample=False,
                                 pad_token_id=tokenizer.pad_token_id or 0)
        expected = out[0, len(ids):].tolist()
        for directory in [args.model] + args.other:
            got = moe_run(args.program, directory, ids, args.tokens)["output_ids"]
            same = got == expected
            different += not same
            where = "" if same else f" first difference at token {next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))}"
            print(f"{'same     ' if same else 'DIFFERENT'} {len(got):4} tokens  {directory}  {prompt[:40]!r}{where}", flush=True)
    print(f"{different} different of {len(prompts) * (1 + len(args.other))}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
