"""Writes the seed corpora of what moe-eval reads back: CSV, stored responses of every kind, lines of a journal.

Usage: python3 make_eval_seeds.py [corpus folder]
"""
import json
import sys
from pathlib import Path

CORPUS = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus"
HEADER = "dataset_name,strategy,sample_id,question,gold_answer,response_text\n"


def put(target: str, name: str, data: str | bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def csv() -> None:
    seeds = {
        "plain": "a,b\n1,2\n", "quoted": '"a, b","say ""x"""\n"two\nlines",\n', "crlf": "a,b\r\n\r\n1,2\r\n", "bom": b"\xef\xbb\xbfa\n",
        "no_end": "a,b", "empty": "", "blank": "\n\n", "empty_cell": '""\n', "commas": ",,\n", "open": 'a\n"b\n', "after_quote": '"a"b,"c"" d\n',
        "quote_inside": 'a"b,c\n', "reopened": '"""""a"\n', "return": "a\rb\r", "bytes": b"\xff\0,\xc3\n",
    }
    for name, data in seeds.items():
        put("csv", name, data)


def stored() -> None:
    def line(**keys) -> str:
        return json.dumps({"model": "m", "task": "gsm8k", "strategy": "cot", "doc_id": 1, "response": "so\n#### 5", "target": "5",
                           "finish_reason": "stop", **keys}) + "\n"

    def sample(**keys) -> str:
        return json.dumps({"doc_id": 3, "doc": {"question": "A. x\nB. y"}, "target": "B", "resps": [["it is B", "A"]], "filter": "none", **keys}) + "\n"

    options = {"choices": ["one", "two"], "target": "A", "answer": "A", "response": "<think>so</think>A"}
    seeds = {
        "csv": HEADER + 'arc_challenge,cot,7,"Which?\n1. a\n2. b",2,"first ""A"",\nthen\n#### 2"\ngsm8k,cot,8,How many?,5,x\n',
        "csv_good": HEADER + 'math,cot,8,How many?,\\frac{1}{2},"so \\boxed{0.5}"\n', "csv_columns": "dataset_name,strategy\n", "csv_bytes": HEADER.encode() + b"a,b,c,d,e,\xff\n",
        "journal": line() + line(doc_id=2, variant="max_tokens_8", timing={"mode": "latency"}), "journal_again": line() + line(response="#### 6"),
        "journal_cut": line() + line()[:40], "journal_none": line(response=None) + line(flags={"thought_unclosed": True}, repeat=2),
        "journal_choice": line(**options, finish_reason="length", chat_template_applied=True, hashes={"template": "x"}, num_fewshot=5, fewshot_seed=1),
        "journal_regime": line(sampling={"temperature": 0.5, "top_k": 40}, seed=7, system_instruction="x" * 50), "journal_numbers": line(target=1e300, response=-0.0),
        "samples": sample() + sample(filter="other") + sample(doc_id=4, doc={"choices": {"text": ["p", "q"]}}), "samples_scored": sample(resps=[[["-1.5", "True"]]]),
        "mixed": line() + sample(), "neither": "{}\n", "not_json": "{\n", "empty": "", "spaces": " \n", "twice": '{"task":1,"task":2}', "deep": '{"resps":' + "[" * 100,
    }
    for i, (name, data) in enumerate(seeds.items()):
        put("stored", name, bytes([i % 4]) + (data if isinstance(data, bytes) else data.encode()))


def journal() -> None:
    costs = {"tokens": 3, "weight_bytes": 2**63, "kv_bytes": 5, "params_touched": 7, "components": {"attn_core": {"class_a": 1, "class_b": 2}, "other": 0}}
    record = {"model": "m", "key": "k", "hashes": {"model": "h"}, "finish_reason": "stop", "error": None, "loglikelihoods": None, "response": "a\u00e9",
              "response_tokens": [1, 2], "answer": "a", "thought": None, "flags": {"thought_unclosed": False},
              "tokens": {"prompt": 1, "shared": 0, "thought": 0, "answer": 2}, "cost": {"prefill": costs, "decode": costs, "as_if_alone": {"prefill": costs, "decode": costs}},
              "timing": {"prefill_s": 0.25, "decode_s": 1e-9, "ttft_s": 0, "wall_s": 2}, "energy": {"joules": 1.5}}
    scored = {"finish_reason": "scored", "loglikelihoods": [-1.5, "-inf", "nan"], "is_greedy": [True, False, False], "response": None}
    seeds = {
        "generated": record, "scored": {**record, **scored}, "failed": {"model": "m", "key": "k", "hashes": {"model": "h"}, "finish_reason": "error", "error": "x"},
        "thought": {**record, "thought": "t", "flags": {"thought_unclosed": True}}, "negative": {**record, "tokens": {**record["tokens"], "prompt": -1}},
        "fraction": {**record, "tokens": {**record["tokens"], "answer": 1e300}}, "large_id": {**record, "response_tokens": [2**31]},
        "lengths": {**record, **scored, "is_greedy": [True]}, "nothing_scored": {**record, **scored, "loglikelihoods": [], "is_greedy": []},
        "no_cost": {key: value for key, value in record.items() if key != "cost"}, "first_journals": {key: value for key, value in record.items() if key != "response_tokens"},
        "list": [],
    }
    for name, data in seeds.items():
        put("journal", name, json.dumps(data))
    put("journal", "cut", json.dumps(record)[:100])


csv()
stored()
journal()
