#!/usr/bin/env python3
"""Encodes a 20 MB mixed text with bench-tokenizer and with the `tokenizers` library in turn, on one thread each.

    pip install tokenizers
    python compare_tokenizers.py --program ../build/release/bin/bench-tokenizer --data ../../shared/data [DIR...]

Takes every tokenizer of DATA/tokenizers and each DIR. Prints a Markdown table: the speed on the whole text and on
documents of about 4 kB, the time to load, and what loading takes at most (moe-tokenize, beside the program).
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden"))
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer  # noqa: E402

from tokenizer_texts import CODE, SENTENCES, benchmark_texts, source_texts, tokenizer_files  # noqa: E402


def mixed_text(data, size):
    r = random.Random(1)
    parts = benchmark_texts(data) if data else []
    parts += source_texts(20000) + [s * 3 for s in list(SENTENCES.values()) * 40] + CODE * 40
    out, length = [], 0
    while length < size:
        part = r.choice(parts)
        out.append(part)
        length += len(part.encode()) + 1
    return "\n".join(out)


def documents(text):
    data, out = text.encode(), []
    while data:
        end = data.find(b"\n", 4096) if len(data) > 4096 else -1
        end = len(data) if end < 0 else end + 1
        out.append(data[:end].decode())
        data = data[end:]
    return out


def measured(program, model, text_file):
    """CPU seconds of our load, encode and documents."""
    env = dict(os.environ, MOE_BENCH_TOKENIZERS=model, MOE_BENCH_TEXT=text_file)
    run = subprocess.run([program, "--benchmark_format=json", "--benchmark_min_time=0",
                          "--benchmark_filter=load|encode|documents"], env=env, capture_output=True, check=True)
    return {row["name"].split("/")[0]: row["cpu_time"] / 1e3 for row in json.loads(run.stdout)["benchmarks"]}


def measured_library(path, text, parts):
    """The same of the library's, and the number of tokens."""
    out, start = {}, time.process_time()

    def lap(key):
        nonlocal start
        now = time.process_time()
        out[key], start = now - start, now

    reference = Tokenizer.from_file(path)
    lap("load")
    tokens = len(reference.encode(text).ids)
    lap("encode")
    for part in parts:
        reference.encode(part)
    lap("documents")
    return out, tokens


def load_megabytes(program, model):
    """Peak resident memory of moe-tokenize, which lies beside the benchmark and here only loads."""
    program = os.path.join(os.path.dirname(program), "moe-tokenize")
    # A program's peak begins with that of the process that started it, so a small one does.
    starter = ("import os, subprocess, sys; child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL); "
               "print(os.wait4(child.pid, 0)[2].ru_maxrss)")
    run = subprocess.run([sys.executable, "-c", starter, program, model, "--json"], capture_output=True, check=True)
    return int(run.stdout) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="*", metavar="DIR")
    parser.add_argument("--program", required=True)
    parser.add_argument("--data")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--names", help="of DATA/tokenizers only these, with commas between")
    args = parser.parse_args()
    text = mixed_text(args.data, int(args.megabytes * 1e6))
    parts = documents(text)
    size = len(text.encode()) / 1e6
    print(f"{size:.1f} MB, medians of {args.rounds} rounds in turn, ours / theirs; MB/s and seconds are of CPU time\n\n"
          "| tokenizer | tokens | whole text, MB/s | ratio | documents, MB/s | ratio | loading, s | peak, MB |\n"
          "|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        text_file, path = os.path.join(folder, "text"), os.path.join(folder, "tokenizer.json")
        pathlib.Path(text_file).write_bytes(text.encode())
        for name, content in tokenizer_files(args.data, args.directories):
            if args.names and name not in args.names.split(","):
                continue
            pathlib.Path(path).write_bytes(content)
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(measured(args.program, folder, text_file))
                result, tokens = measured_library(path, text, parts)
                theirs.append(result)
            a, b = ({key: statistics.median(r[key] for r in rows) for key in rows[0]} for rows in (ours, theirs))
            speeds = " | ".join(f"{size / a[key]:.1f} / {size / b[key]:.2f} | {b[key] / a[key]:.1f}" for key in ("encode", "documents"))
            print(f"| {name} | {tokens:,} | {speeds} | {a['load']:.2f} / {b['load']:.2f} | {load_megabytes(args.program, folder):.0f} |",
                  flush=True)


main()
