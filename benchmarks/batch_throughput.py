#!/usr/bin/env python3
"""Speed of moe-eval over batch sizes, with and without a prefix that prompts share, beside the limit of the work.

    batch_throughput.py MODEL --data DIR --bin build/release/bin --chart docs/charts/batch-throughput.svg

The work is GSM8K after five fixed examples, `--tokens` new tokens an item whatever the model says. The limit takes the
numbers that the journal counted and the rates that moe-bench measures in the same minutes:

    prompts' FLOPs / peak + max(replies' FLOPs / peak, (passes * weights + keys and values read) / bandwidth)

where a pass reads a shared prefix once. A batch of one is the latency mode, which shares nothing. Prints a Markdown table.
"""
import argparse
import json
import math
import pathlib
import subprocess
import tempfile

from compare_evaluators import moe_eval
from performance_report import COLOURS, Svg


def limits(options):
    """FLOP/s of the products and bytes/s."""
    run = subprocess.run([options.bin / "moe-bench", "-m", options.model, "-t", str(options.threads), "-p", "0", "-n", "1", "-r",
                          "1", "-o", "json", *options.flags.split()], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    bench = json.loads(run.stdout)[0]
    return bench["limits"][bench["products"]], bench["limits"]["read_bandwidth"]


def run(options, batch, shared, out):
    flags = ["--batch-size", str(batch), *options.flags.split()] + ([] if shared else ["--no-share-prefix"])
    seconds = moe_eval(options.bin / "moe-eval", options, "gsm8k_fixed", options.tokens, flags, out)
    journal = next(pathlib.Path(out).glob("*/journal.jsonl"))
    return seconds, [json.loads(line) for line in journal.read_text().splitlines()]


def least_seconds(records, batch, peak, bandwidth):
    prefill = sum(r["cost"]["prefill"]["class_a"] for r in records)
    decode = sum(r["cost"]["decode"]["class_a"] for r in records)
    weights = records[0]["cost"]["decode"]["weight_bytes"] / records[0]["cost"]["decode"]["tokens"]
    passes = math.ceil(len(records) / batch) * records[0]["cost"]["decode"]["tokens"]
    cache = 0
    for r in records:
        shared = r["tokens"]["shared"] / (r["tokens"]["prompt"] + r["cost"]["decode"]["tokens"] / 2)
        cache += r["cost"]["decode"]["kv_bytes"] * (1 - shared * (1 - 1 / batch))
    return prefill / peak + max(decode / peak, (passes * weights + cache) / bandwidth)


def chart(points, path):
    """points: shared -> [(batch, tokens/s, tokens/s at the limit)]"""
    svg = Svg(640, 360)
    left, right, top, bottom = 60, 620, 40, 310
    most = max(max(p[1:]) for line in points.values() for p in line)
    steps = max(math.log2(p[0]) for line in points.values() for p in line) or 1
    at = lambda batch, rate: (left + (right - left) * math.log2(batch) / steps, bottom - (bottom - top) * rate / most)
    svg.text(10, 20, "New tokens/s of all sequences by batch size; dashed: the limit of the work", 13, weight="bold")
    svg.line(left, bottom, right, bottom)
    svg.line(left, top, left, bottom)
    for part in range(5):
        svg.text(left - 6, bottom - (bottom - top) * part / 4 + 4, f"{most * part / 4:.0f}", 10, "end")
    for at_line, (shared, line) in enumerate(points.items()):
        colour = COLOURS[2 * at_line]
        for which, dash in ((1, ""), (2, "5 4")):
            places = " ".join("%.1f,%.1f" % at(p[0], p[which]) for p in line)
            svg.parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        svg.text(left + 10, top + 14 + 16 * at_line, "prefix shared" if shared else "nothing shared", 11)
        svg.rect(left + 4, top + 6 + 16 * at_line, 4, 8, colour)
        for batch, *_ in line:
            svg.text(at(batch, 0)[0], bottom + 16, str(batch), 10, "middle")
    svg.text((left + right) / 2, bottom + 34, "batch size", 11, "middle")
    path.parent.mkdir(parents=True, exist_ok=True)
    svg.save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--batches", default="1,2,4,8,16,32,64")
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flags", default="", help="further flags of moe-eval and moe-bench, such as '--weights q8'")
    parser.add_argument("--chart", type=pathlib.Path)
    options = parser.parse_args()
    print("| batch | prefix | items/s | new tokens/s | seconds | limit, s | of the limit |\n|---:|---|---:|---:|---:|---:|---:|")
    points = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        for shared, line in points.items():
            for batch in map(int, options.batches.split(",")):
                peak, bandwidth = limits(options)
                seconds, records = run(options, batch, shared, f"{folder}/{shared}-{batch}")
                least = least_seconds(records, batch, peak, bandwidth)
                tokens = options.limit * options.tokens
                line.append((batch, tokens / seconds, tokens / least))
                print(f"| {batch} | {'shared' if shared and batch > 1 else 'not shared'} | {options.limit / seconds:.2f} | {tokens / seconds:.0f} | "
                      f"{seconds:.1f} | {least:.1f} | {least / seconds:.2f} |", flush=True)
    if options.chart:
        chart(points, options.chart)


if __name__ == "__main__":
    main()
