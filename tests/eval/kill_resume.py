"""Kills a sweep at random moments with SIGKILL, resumes it, and compares journals and results with those of a sweep in
one go. Two models, scored choices and written replies, two token budgets; each resumption has another batch size,
number of threads and sharing.

python3 tests/eval/kill_resume.py PROGRAM MODELS DATA [--kills 20] [--limit 200]

MODELS is a directory of model directories. Exit code 77 (skipped) where it or the data is absent. Then Ctrl-C must
give 130, a last line cut short must be done again, and a second process on a journal in use must be refused.
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

from journals import essence, results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("models")
    parser.add_argument("data")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--limit", type=int, default=200)
    options = parser.parse_args()
    models = [os.path.join(options.models, name) for name in ("hf", "hf_bf16")]
    if not all(os.path.isdir(path) for path in [*models, options.data]):
        print("skipped: needs models and the public data sets")
        sys.exit(77)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch + "/cache"  # the user's own stays as it is
        whole, pieces = scratch + "/whole", scratch + "/pieces"
        sweep = pathlib.Path(scratch) / "sweep.json"
        sweep.write_text(json.dumps({"models": models, "tasks": ["arc_challenge", "gsm8k:zero_shot"], "max_tokens": [6, 12],
                                     "data": options.data, "limit": options.limit}))

        def command(out, *flags):
            return [options.program, "run", "--sweep", str(sweep), "-o", out, *flags]

        def other_way():
            flags = ["--batch-size", random.choice(["1", "7", "64"]), "-t", random.choice(["1", "2"])]
            # A batch of one is a latency run, whose records are its own.
            flags[1] = "2" if flags[1] == "1" else flags[1]
            return flags + random.choice([[], ["--no-share-prefix"]])

        start = time.monotonic()
        subprocess.run(command(whole, "-t", "1"), check=True, **quiet)
        seconds = time.monotonic() - start
        killed = 0
        for _ in range(options.kills):
            process = subprocess.Popen(command(pieces, *other_way()), **quiet)
            time.sleep(random.uniform(0, seconds / max(options.kills, 1) * 3))
            if process.poll() is None:
                killed += 1
            process.kill()
            process.wait()
        process = subprocess.Popen(command(pieces), **quiet)
        time.sleep(seconds / 10)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            code = process.wait()
            if code not in (0, 130, -signal.SIGINT):  # the last: before the program had begun to listen
                sys.exit(f"Ctrl-C gave exit code {code}")
        journals = sorted(pathlib.Path(pieces).glob("*/journal.jsonl"))
        if journals:
            with journals[0].open("r+b") as file:
                file.truncate(max(file.seek(0, os.SEEK_END) - 7, 0))
        last = subprocess.run(command(pieces), check=False, capture_output=True, text=True)
        if last.returncode != 0:
            sys.exit(f"the last run gave {last.returncode}: {last.stderr}")
        a, b = essence(whole), essence(pieces)
        if a != b:
            differ = [key for key in a if a[key] != b.get(key)]
            sys.exit(f"{len(differ)} of {len(a)} records differ, {len(b)} found; first: {a[differ[0]]} and {b.get(differ[0])}")
        if results(whole) != results(pieces):
            sys.exit(f"results differ: {results(whole)} and {results(pieces)}")
        # Someone else holds the journal.
        for path in pathlib.Path(pieces).glob("*/journal.jsonl"):
            holder = subprocess.Popen(["flock", str(path), "sh", "-c", "echo held; exec sleep 20"], stdout=subprocess.PIPE)
            holder.stdout.readline()  # a slow start must not look like a free journal
            refused = subprocess.run(command(pieces), check=False, capture_output=True, text=True)
            holder.kill()
            if refused.returncode != 1 or "another process has it open" not in refused.stderr:
                sys.exit(f"a second process was not refused: {refused.returncode} {refused.stderr}")
        print(f"{len(a)} records equal after {killed} kills that struck")


main()
