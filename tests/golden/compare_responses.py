#!/usr/bin/env python3
"""Are the greedy responses of a journal those of transformers (fp32)?

A greedy response is the same, token for token, exactly if each of its tokens has the highest logit behind the prompt and
the tokens before it. So one forward pass a record decides, where generating again would take hundreds. Also compares
the prompt's ids with the tokenizer's, and that a response ended where its stop rules say.

    pip install torch transformers
    moe-eval run -m MODEL --tasks gsm8k,minerva_math --limit 100 --data DIR -o OUT
    compare_responses.py MODEL OUT/*/journal.jsonl [--threads N]
"""
import argparse
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def differences(model, record):
    """[(position, token here, token there, how far its logit is behind)] of one record."""
    prompt, response = record["prompt_tokens"], record["response_tokens"]
    ids = torch.tensor([prompt + response[:-1]])
    with torch.no_grad():
        logits = model(input_ids=ids, logits_to_keep=len(response)).logits[0]
    best = logits.argmax(-1)
    return [
        (i, token, int(best[i]), float(logits[i, best[i]] - logits[i, token]))
        for i, token in enumerate(response)
        if token != int(best[i])
    ]


def ended_rightly(record):
    sampling = record["sampling"]
    if record["finish_reason"] == "length":
        return len(record["response_tokens"]) == sampling["max_tokens"]
    return len(record["response_tokens"]) <= sampling["max_tokens"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("journal", type=pathlib.Path)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32).eval()

    counts = {}  # task -> [records, same]
    wrong = 0
    for line in options.journal.read_text().splitlines():
        record = json.loads(line)
        if not record.get("response_tokens") or record["sampling"]["temperature"] != 0:
            continue
        name = f"{record['task']} {record['strategy']} item {record['doc_id']}"
        if tokenizer(record["prompt_text"], add_special_tokens=not record["chat_template_applied"])["input_ids"] != record["prompt_tokens"]:
            wrong += 1
            print(f"{name}: other prompt ids")
        if not ended_rightly(record):
            wrong += 1
            print(f"{name}: ends after {len(record['response_tokens'])} tokens ({record['finish_reason']})")
        found = differences(model, record)
        count = counts.setdefault(record["task"], [0, 0])
        count[0] += 1
        count[1] += not found
        for position, here, there, behind in found[:1]:
            print(f"{name}: token {position} is {here} here, {there} there (logits {behind:.2e} apart)", flush=True)
    for task, (records, same) in counts.items():
        print(f"{task}: {same} of {records} responses are the same")
    sys.exit(1 if wrong or any(same < records for records, same in counts.values()) else 0)


if __name__ == "__main__":
    main()
