#!/usr/bin/env python3
"""Encodes a 20 MB mixed text with bench-tokenizer and with the `tokenizers` library in turn, on one thread each.

    pip install tokenizers
    python compare_tokenizers.py --program ../build/release/bin/bench-tokenizer --data ../../shared/data DIR...

Prints the least CPU seconds of each over the rounds, whole and as documents of about 4 kB, and loading too.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden"))
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer  # noqa: E402

from tokenizer_texts import CODE, SENTENCES, benchmark_texts, source_texts  # noqa: E402


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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--program", required=True)
    parser.add_argument("--data")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    text = mixed_text(args.data, int(args.megabytes * 1e6))
    parts = documents(text)
    size = len(text.encode()) / 1e6
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        print(f"{size:.1f} MB; MB/s of CPU time, best of {args.rounds} rounds in turn: ours / theirs")
        for model in args.models:
            path = os.path.join(model, "tokenizer.json")
            ours, theirs = {}, {}

            def keep(table, key, seconds):
                table[key] = min(seconds, table.get(key, 1e9))

            for _ in range(args.rounds):
                env = dict(os.environ, MOE_BENCH_TOKENIZERS=model, MOE_BENCH_TEXT=file.name)
                run = subprocess.run([args.program, "--benchmark_format=json", "--benchmark_min_time=0",
                                      "--benchmark_filter=load|encode|documents"], env=env, capture_output=True, check=True)
                for row in json.loads(run.stdout)["benchmarks"]:
                    keep(ours, row["name"].split("/")[0], row["cpu_time"] / 1e3)
                start = time.process_time()
                reference = Tokenizer.from_file(path)
                keep(theirs, "load", time.process_time() - start)
                start = time.process_time()
                whole = len(reference.encode(text).ids)
                keep(theirs, "encode", time.process_time() - start)
                start = time.process_time()
                for part in parts:
                    reference.encode(part)
                keep(theirs, "documents", time.process_time() - start)
            print(f"{os.path.basename(os.path.normpath(model)):20} whole {size / ours['encode']:6.1f} / {size / theirs['encode']:5.2f}"
                  f"   documents {size / ours['documents']:6.1f} / {size / theirs['documents']:5.2f}"
                  f"   load s {ours['load']:.2f} / {theirs['load']:.2f}   {whole} tokens", flush=True)


main()
