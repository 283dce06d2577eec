"""Expectations for chat templates, made by transformers' apply_chat_template.

    pip install transformers tokenizers jinja2
    python make_template_goldens.py OUT_DIR DIR...

Each DIR is searched for templates: *.jinja, chat_template.json, and tokenizer_config.json (plain or .gz) with a
chat_template. OUT_DIR gets conversations.json (what is rendered) and rendered.json (for each template its name, the
SHA-256 of its source, its special tokens, and for each conversation the SHA-256 of the result, or "!" and the message
where it raises). Templates themselves are not copied: their licences vary.
"""

import datetime
import gzip
import hashlib
import json
import pathlib
import sys

import transformers.utils.chat_template_utils as chat_template_utils
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

import template_conversations

DIGEST = 24  # hexadecimal digits that are kept of each result's SHA-256


class FixedDate(datetime.datetime):
    """strftime_now tells this date."""

    @classmethod
    def now(cls, tz=None):
        return cls(2025, 3, 14, 15, 9, 26)


class Stub:
    """As much of a tokenizer as apply_chat_template needs."""

    get_chat_template = PreTrainedTokenizerBase.get_chat_template

    def __init__(self, template, special_tokens):
        self.chat_template = template
        self.special_tokens_map = special_tokens


def render(template, special_tokens, case):
    return PreTrainedTokenizerBase.apply_chat_template(
        Stub(template, special_tokens), case["messages"], tools=case.get("tools"),
        add_generation_prompt=case["add_generation_prompt"], tokenize=False, **case.get("kwargs", {}))


def read_json(path):
    for name, opener in ((path, open), (path.with_name(path.name + ".gz"), gzip.open)):
        if name.exists():
            with opener(name, "rt", encoding="utf-8") as file:
                return json.load(file)
    return {}


def special_tokens(directory):
    """The strings of tokenizer_config.json that transformers passes to a template."""
    config = read_json(directory / "tokenizer_config.json")
    legacy = {} if "added_tokens_decoder" in config else read_json(directory / "special_tokens_map.json")
    extra = config.get("extra_special_tokens")
    out = {}
    for source in (config, extra if isinstance(extra, dict) else {}, legacy):
        for key, value in source.items():
            if isinstance(value, dict):
                value = value.get("content")
            if key.endswith("_token") and isinstance(value, str):
                out[key] = value
    return out


def templates(directories):
    """(name, source, special tokens) of each template, in a fixed order."""
    for top in map(pathlib.Path, directories):
        for path in sorted(top.rglob("*")):
            name = f"{top.name}/{path.relative_to(top)}"
            if path.suffix == ".jinja":
                tokens = special_tokens(path.parent) or {"bos_token": "<bos>", "eos_token": "<eos>"}
                yield name, path.read_bytes().decode("utf-8"), tokens
            elif path.name in ("tokenizer_config.json", "tokenizer_config.json.gz", "chat_template.json"):
                source = read_json(path.with_name(path.name.removesuffix(".gz"))).get("chat_template")
                if isinstance(source, str):
                    yield name, source, special_tokens(path.parent)


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    chat_template_utils.datetime = FixedDate
    cases = template_conversations.conversations()
    with open(out / "conversations.json", "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases) + "\n]\n")
    golden = []
    for name, source, tokens in templates(sys.argv[2:]):
        results = []
        for case in cases:
            try:
                text = render(source, tokens, json.loads(json.dumps(case)))
                results.append(hashlib.sha256(text.encode("utf-8")).hexdigest()[:DIGEST])
            except Exception as error:  # whatever a template raises is its answer
                results.append("!" + str(error))
        raised = sum(r.startswith("!") for r in results)
        print(f"{name}: {len(results)} conversations, {raised} raise")
        golden.append({"name": name, "sha256": hashlib.sha256(source.encode("utf-8")).hexdigest(),
                       "special_tokens": tokens, "results": results})
    with open(out / "rendered.json", "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(g, ensure_ascii=False) for g in golden) + "\n]\n")


if __name__ == "__main__":
    main()
