#!/usr/bin/env python3
"""Compares moe-tokenize with the `tokenizers` library on many texts, for any tokenizers.

    pip install tokenizers
    python make_tokenizer_vectors.py --program ../../build/release/bin/moe-tokenize --data ../../../shared/data DIR...

Each DIR holds a tokenizer.json. For every text: ids with and without special tokens, pieces, and the text decoded
from the ids. Prints the differences; exit code 1 when there are any.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer

from tokenizer_texts import all_texts, long_texts


def ask(program, model, flags, lines):
    with tempfile.TemporaryFile("w+") as stdin:
        stdin.writelines(json.dumps(x) + "\n" for x in lines)
        stdin.seek(0)
        run = subprocess.run([program, model, "--json", *flags], stdin=stdin, capture_output=True, check=False)
    if run.returncode:
        sys.exit(f"{program} {model}: exit code {run.returncode}: {run.stderr.decode()}")
    return [json.loads(line) for line in run.stdout.decode().split("\n") if line]


def compare(program, model, data, count, long):
    path = os.path.join(model, "tokenizer.json") if os.path.isdir(model) else model
    reference = Tokenizer.from_file(path)
    reference.no_truncation()
    reference.no_padding()
    added = [t.content for _, t in sorted(reference.get_added_tokens_decoder().items())]
    texts = all_texts(count, added, data)
    if long:
        texts += long_texts()
    bad = 0

    def report(kind, text, ours, theirs):
        nonlocal bad
        bad += 1
        if bad <= 20:
            at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            low = max(0, at - 3)
            print(f"  {kind}: {text[:120]!r}\n    ours   {ours[low:at + 8]!r}\n    theirs {theirs[low:at + 8]!r}")

    start = time.time()
    for flags, special in (([], True), (["--no-special"], False)):
        answers = ask(program, model, flags, texts)
        assert len(answers) == len(texts)
        decodable, expected = [], []
        for text, answer in zip(texts, answers):
            encoding = reference.encode(text, add_special_tokens=special)
            if answer["ids"] != encoding.ids:
                report("ids", text, answer["ids"], encoding.ids)
            if special:
                decodable.append(encoding.ids)
                expected.append(reference.decode(encoding.ids, skip_special_tokens=False))
        if special:
            # Random ids too: sequences that no text would give.
            import random
            r = random.Random(7)
            top = max(reference.get_vocab().values()) + 10
            for _ in range(2000):
                ids = [r.randrange(top) for _ in range(r.randint(0, 20))]
                decodable.append(ids)
                expected.append(reference.decode(ids, skip_special_tokens=False))
            for ids, answer, want in zip(decodable, ask(program, model, ["--decode"], decodable), expected):
                if answer["text"] != want:
                    report("decode", str(ids[:20]), answer["text"], want)
    print(f"{model}: {len(texts)} texts, {bad} differences, {time.time() - start:.0f} s", flush=True)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", help="folder with gsm8k/, arc/, math/, truthfulqa/")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--long", action="store_true", help="lines of a megabyte too")
    args = parser.parse_args()
    bad = sum(compare(args.program, m, args.data, args.count, args.long) for m in args.models)
    sys.exit(bad != 0)


main()
