"""What the process tests of moe-eval share: reading journals."""

import json
import pathlib
import sys

# What may differ between two runs that must give the same answers: times, memory, and who was charged with work that
# several items share.
PASSING = ("timing", "memory", "time", "cost", "tokens", "energy", "env")


def records(out):
    """All records below an output directory, by model and key; one that stands there twice ends the test."""
    found = {}
    for path in sorted(pathlib.Path(out).glob("*/journal.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            name = (record["model"], record["key"])
            if name in found:
                sys.exit(f"{record['task']} {record['doc_id']} is counted twice")
            found[name] = record
    return found


def essence(out):
    """Every record but for what may differ."""
    kept = {}
    for name, record in records(out).items():
        kept[name] = {key: value for key, value in record.items() if key not in PASSING}
        if record["cost"]:
            kept[name]["alone"] = {phase: record["cost"]["as_if_alone"][phase]["components"] for phase in ("prefill", "decode")}
    return kept


def results(out):
    """The scores of the newest results file of each model."""
    scores = {}
    for directory in sorted(pathlib.Path(out).glob("*/")):
        newest = sorted(directory.glob("results_*.json"))[-1]
        scores[directory.name] = json.loads(newest.read_text())["results"]
    return scores
