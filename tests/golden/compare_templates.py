#!/usr/bin/env python3
"""Compares moe-run --show-template with transformers' apply_chat_template on random conversations.

    pip install transformers tokenizers jinja2
    python compare_templates.py --program ../../build/release/bin/moe-run [--seed 1] [--count 220] DIR...

DIRs are searched for templates as make_template_goldens.py does. Each template is put alone into a directory, with a
tokenizer_config.json that names its special tokens. Prints a row of a Markdown table for each and the first
differences on stderr; exit code 1 when there are any. A conversation that transformers refuses must end in one line.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import template_conversations as shapes
from make_template_goldens import render, templates
from tokenizer_texts import CODE, SENTENCES, SPACES

SHOWN = 4  # differences told of each template
MARKERS = ["<think>", "</think>", "<|im_end|>", "<|channel>thought\n", "<channel|>", "<|end|>", "<|channel|>final<|message|>",
           "{{ x }}", "{% y %}", "<start_of_turn>", "<|eot_id|>", "<tool_response>x</tool_response>", "\x00", "\n\n", "a" * 300, ""]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.words = list(SENTENCES.values()) + CODE + SPACES + MARKERS + [shapes.UNICODE, shapes.MARKS, shapes.BLANKS]

    def text(self):
        return "".join(self.r.choice(self.words) for _ in range(self.r.choice([0, 1, 1, 1, 2, 5])))

    def value(self, depth=0):
        """Any JSON value."""
        kinds = [lambda: self.r.randrange(-10**6, 10**6), lambda: self.r.choice([0.5, 1e21, 1.5e-7, 3.0, -0.0, 1e16, 123456789.123]),
                 lambda: self.r.choice([True, False, None]), self.text, self.text, lambda: self.r.choice(["x", "Zürich", '"q"']),
                 lambda: [self.value(depth + 1) for _ in range(self.r.randrange(4))],
                 lambda: {self.r.choice("abcXYZé_1") * self.r.randint(1, 2): self.value(depth + 1) for _ in range(self.r.randrange(4))}]
        return self.r.choice(kinds if depth < 3 else kinds[:6])()

    def content(self):
        kind = self.r.randrange(20)
        if kind < 14:
            return self.text()
        if kind < 19:
            part = lambda: self.r.choice([shapes.text_part(self.text()), shapes.text_part(self.text()), {"type": "image"}])
            return [part() for _ in range(self.r.randrange(4))]
        return self.r.choice([None, "", self.value()])

    def call(self, name):
        arguments = {self.r.choice("abc"): self.value() for _ in range(self.r.randrange(3))}
        return self.r.choice([shapes.call("f", arguments, id=name), shapes.call("f", arguments, id=name),
                              {"name": "g", "arguments": arguments}, shapes.call("h", json.dumps(arguments))])

    def any_message(self):
        message = {"role": self.r.choice(["user", "assistant", "system", "tool", "developer", "ipython", "narrator"]),
                   "content": self.content()}
        if self.r.random() < 0.2:
            message[self.r.choice(["reasoning_content", "thinking", "reasoning"])] = self.text()
        if self.r.random() < 0.2:
            message["tool_calls"] = [self.call("c") for _ in range(self.r.randrange(3))]
        if self.r.random() < 0.1:
            message[self.r.choice(["name", "tool_call_id"])] = "c"
        if self.r.random() < 0.05:
            message.pop(self.r.choice(list(message)))
        items = list(message.items())
        self.r.shuffle(items)
        return dict(items)

    def turns(self):
        """Messages in an order that most templates accept."""
        messages = [shapes.system(self.content())] if self.r.random() < 0.4 else []
        for turn in range(self.r.randint(1, 5)):
            messages.append(shapes.user(self.content()))
            thought = {"reasoning_content": self.text()} if self.r.random() < 0.3 else {}
            if self.r.random() < 0.3:
                messages.append(shapes.assistant(self.content(), tool_calls=[self.call(f"c{turn}")], **thought))
                messages.append(shapes.tool(self.content(), tool_call_id=f"c{turn}", name="f"))
                thought = {}
            messages.append(shapes.assistant(self.content(), **thought))
        return messages[:-1] if self.r.random() < 0.7 else messages

    def conversation(self):
        if self.r.random() < 0.25:
            messages = [self.any_message() for _ in range(self.r.randint(1, 7))]
        else:
            messages = self.turns()
        case = {"messages": messages, "add_generation_prompt": self.r.random() < 0.6}
        if self.r.random() < 0.35:
            case["tools"] = self.r.choice(list(shapes.TOOL_SETS.values()) + [[shapes.NESTED]])
        if self.r.random() < 0.4:
            case["kwargs"] = self.r.choice(shapes.KWARGS)
        return case


def ours(program, folder, case, as_json, ascii_only):
    """What moe-run prints, or None and its message where it refuses in one line."""
    given = {key: case[key] for key in case if key != "kwargs"}
    (folder / "messages.json").write_text(json.dumps(given, ensure_ascii=ascii_only), encoding="utf-8")
    command = [program, "--show-template", "-m", folder, "--file", folder / "messages.json"]
    command += ["--json"] if as_json else []
    if "kwargs" in case:
        command += ["--chat-template-kwargs", json.dumps(case["kwargs"])]
    run = subprocess.run(command, capture_output=True, check=False)
    message = run.stderr.decode()
    if run.returncode == 0:
        return json.loads(run.stdout)["prompt"] if as_json else run.stdout.decode(), message
    if run.returncode != 1 or run.stdout or message.count("\n") != 1:
        sys.exit(f"exit code {run.returncode}, {run.stdout[:100]!r}, {message!r} for {json.dumps(case)}")
    return None, message


def compare(program, name, source, tokens, count, seed):
    """(conversations that raise, conversations that differ)"""
    maker, raised, differ = Maker(f"{seed}{name}"), 0, 0
    with tempfile.TemporaryDirectory() as path:
        folder = pathlib.Path(path)
        (folder / "chat_template.jinja").write_bytes(source.encode())
        (folder / "tokenizer_config.json").write_text(json.dumps(tokens), encoding="utf-8")
        for i in range(count):
            case = maker.conversation()
            try:
                wanted = render(source, tokens, json.loads(json.dumps(case)))
            except Exception as error:  # whatever a template raises is its answer
                wanted, why = None, str(error)
                raised += 1
            found, message = ours(program, folder, case, as_json=i % 2 == 0, ascii_only=i % 4 < 2)
            if found == wanted:
                continue
            differ += 1
            if differ <= SHOWN:
                a, b = found if found is not None else message, wanted if wanted is not None else why
                at = next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                print(f"  {name}: {json.dumps(case)}\n    ours   {a[max(0, at - 40):at + 80]!r}\n"
                      f"    theirs {b[max(0, at - 40):at + 80]!r}", file=sys.stderr)
    return raised, differ


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="+", metavar="DIR")
    parser.add_argument("--program", required=True)
    parser.add_argument("--count", type=int, default=220)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print("| template | conversations | raise | differ |\n|---|---|---|---|", flush=True)
    bad = 0
    for name, source, tokens in templates(args.directories):
        raised, differ = compare(args.program, name, source, tokens, args.count, args.seed)
        print(f"| {name} | {args.count} | {raised} | {differ} |", flush=True)
        bad += differ
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
