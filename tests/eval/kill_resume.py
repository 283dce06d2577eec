"""Kills a run at random moments with SIGKILL, resumes it, and compares the journal with that of a run in one go.

python3 tests/eval/kill_resume.py PROGRAM MODEL DATA [--kills 20] [--limit 200] [--tasks NAME,...]

Exit code 77 (skipped) where the model or the data is absent. Then Ctrl-C must give 130, and a second process on a
journal in use must be refused.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time


def command(options, out):
    return [options.program, "run", "-m", options.model, "--tasks", options.tasks, "--data", options.data, "-o", out,
            "--limit", str(options.limit), "--max-tokens", "12", "-t", "1"]


def journal_of(out):
    found = list(pathlib.Path(out).glob("*/journal.jsonl"))
    return found[0] if found else None


def essence(out):
    """What must not depend on how often the run was cut: every record but for its timing."""
    records = {}
    for line in journal_of(out).read_text().splitlines():
        record = json.loads(line)
        if record["key"] in records:
            sys.exit(f"{record['task']} {record['doc_id']} is counted twice")
        kept = {k: v for k, v in record.items() if k not in ("timing", "memory", "time", "cost", "tokens")}
        kept["alone"] = {phase: record["cost"]["as_if_alone"][phase]["components"] for phase in ("prefill", "decode")}
        records[record["key"]] = kept
    return records


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--tasks", default="arc_challenge,gsm8k:zero_shot")
    options = parser.parse_args()
    if not (os.path.isdir(options.model) and os.path.isdir(options.data)):
        print("skipped: needs a model and the public data sets")
        sys.exit(77)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as scratch:
        whole, pieces = scratch + "/whole", scratch + "/pieces"
        start = time.monotonic()
        subprocess.run(command(options, whole), check=True, **quiet)
        seconds = time.monotonic() - start
        killed = 0
        for _ in range(options.kills):
            process = subprocess.Popen(command(options, pieces), **quiet)
            time.sleep(random.uniform(0, seconds / max(options.kills, 1) * 3))
            if process.poll() is None:
                killed += 1
            process.kill()
            process.wait()
        process = subprocess.Popen(command(options, pieces), **quiet)
        time.sleep(seconds / 10)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            code = process.wait()
            if code not in (0, 130):
                sys.exit(f"Ctrl-C gave exit code {code}")
        last = subprocess.run(command(options, pieces), check=False, capture_output=True, text=True)
        if last.returncode != 0:
            sys.exit(f"the last run gave {last.returncode}: {last.stderr}")
        a, b = essence(whole), essence(pieces)
        if a != b:
            differ = [key for key in a if a[key] != b.get(key)]
            sys.exit(f"{len(differ)} of {len(a)} records differ, {len(b)} found; first: {a[differ[0]]} and {b.get(differ[0])}")
        # Someone else holds the journal.
        holder = subprocess.Popen(["flock", str(journal_of(pieces)), "sleep", "20"])
        time.sleep(0.5)
        refused = subprocess.run(command(options, pieces), check=False, capture_output=True, text=True)
        holder.kill()
        if refused.returncode != 1 or "another process has it open" not in refused.stderr:
            sys.exit(f"a second process was not refused: {refused.returncode} {refused.stderr}")
        print(f"{len(a)} records equal after {killed} kills that struck")


main()
