#!/usr/bin/env python3
"""Compares moe-tokenize with the `tokenizers` library on many texts, for many tokenizers.

    pip install tokenizers
    python compare_tokenization.py --program ../../build/release/bin/moe-tokenize --data ../../../shared/data [DIR...]

Takes every tokenizer of DATA/tokenizers and each DIR (a folder with tokenizer.json or tokenizer.json.gz). For every
text: ids and pieces, ids without special tokens, and the text decoded from the ids; also random ids, bytes that are
not UTF-8, and lines of a megabyte. Prints a row of a Markdown table for each tokenizer and the first differences on
stderr; exit code 1 when there are any.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Tokenizer  # noqa: E402

from tokenizer_texts import all_texts, invalid_utf8, long_texts, tokenizer_files  # noqa: E402

SHOWN = 20  # differences told of each tokenizer
RANDOM_IDS = 2000


def json_line(text):
    """A JSON string as one line; bytes go as they are, but for what JSON wants escaped."""
    if isinstance(text, str):
        return json.dumps(text).encode() + b"\n"
    return b'"' + b"".join(b"\\u%04x" % b if b < 32 or b in b'"\\' else bytes([b]) for b in text) + b'"\n'


def ask(program, model, flags, lines):
    with tempfile.TemporaryFile() as stdin:
        stdin.writelines(lines)
        stdin.seek(0)
        run = subprocess.run([program, model, "--json", *flags], stdin=stdin, capture_output=True, check=False)
    if run.returncode:
        sys.exit(f"{program} {model}: exit code {run.returncode}: {run.stderr.decode()}")
    return [json.loads(line) for line in run.stdout.decode().split("\n") if line]


class Comparison:
    """One tokenizer: counts what was compared and what differed."""

    def __init__(self, program, name, path):
        self.program, self.name, self.path = program, name, path
        self.reference = Tokenizer.from_file(path)
        self.reference.no_truncation()
        self.reference.no_padding()
        self.bad = 0

        # The library spells a normalized added token as its search text ("▁<s>" of Llama 2), not as the file does.
        self.added = {id: t.content for id, t in self.reference.get_added_tokens_decoder().items()}

    def added_tokens(self):
        return [t.content for _, t in sorted(self.reference.get_added_tokens_decoder().items())]

    def piece(self, id):
        return self.added[id] if id in self.added else self.reference.id_to_token(id)

    def check(self, kind, text, ours, theirs):
        if ours == theirs:
            return
        self.bad += 1
        if self.bad <= SHOWN:
            at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            low = max(0, at - 3)
            print(f"  {self.name}, {kind}: {text[:120]!r}\n    ours   {ours[low:at + 8]!r}\n"
                  f"    theirs {theirs[low:at + 8]!r}", file=sys.stderr)

    def run(self, texts, long_lines):
        lines = [json_line(t) for t in texts + long_lines]
        texts = [t.decode("utf-8", errors="replace") if isinstance(t, bytes) else t for t in texts + long_lines]
        encoded = []
        for text, answer in zip(texts, ask(self.program, self.path, [], lines), strict=True):
            encoding = self.reference.encode(text)
            self.check("ids", text, answer["ids"], encoding.ids)
            # encoding.tokens would be the text that stood there, spaces included that a token strips.
            self.check("pieces", text, answer["pieces"], [self.piece(i) for i in encoding.ids])
            encoded.append(encoding.ids)
        few = len(texts) - len(long_lines)  # the library takes seconds for each long line
        for text, answer in zip(texts[:few], ask(self.program, self.path, ["--no-special"], lines[:few]), strict=True):
            self.check("ids without special tokens", text, answer["ids"],
                       self.reference.encode(text, add_special_tokens=False).ids)
        r = random.Random(7)
        end = max(self.reference.get_vocab().values()) + 10  # some that do not exist
        encoded += [[r.randrange(end) for _ in range(r.randint(0, 20))] for _ in range(RANDOM_IDS)]
        answers = ask(self.program, self.path, ["--decode"], [json.dumps(ids).encode() + b"\n" for ids in encoded])
        for ids, answer in zip(encoded, answers, strict=True):
            self.check("decode", str(ids[:20]), answer["text"], self.reference.decode(ids, skip_special_tokens=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="*", metavar="DIR")
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", help="folder with tokenizers/, gsm8k/, arc/, math/, truthfulqa/")
    parser.add_argument("--names", help="of DATA/tokenizers only these, with commas between")
    parser.add_argument("--count", type=int, default=20000, help="texts at least")
    parser.add_argument("--every", type=int, default=1, help="take each Nth text of the benchmarks alone")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    bad = 0
    print("| tokenizer | texts | not UTF-8 | of 1 MB | random ids | differences |\n|---|---|---|---|---|---|", flush=True)
    for name, content in tokenizer_files(args.data, args.directories):
        if args.names and name not in args.names.split(","):
            continue
        start = time.time()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tokenizer.json")
            pathlib.Path(path).write_bytes(content)
            comparison = Comparison(args.program, name, path)
            added = comparison.added_tokens()
            texts, broken = all_texts(args.count, added, args.data, args.every, args.seed), invalid_utf8(args.count // 10, args.seed)
            lines = long_texts(added, args.data)
            comparison.run(texts + broken, lines)
        print(f"| {name} | {len(texts):,} | {len(broken):,} | {len(lines)} | {RANDOM_IDS:,} | {comparison.bad} |", flush=True)
        print(f"  {name}: {time.time() - start:.0f} s", file=sys.stderr, flush=True)
        bad += comparison.bad
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
