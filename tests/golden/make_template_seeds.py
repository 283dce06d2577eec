"""Writes the seed corpora of fuzz_template and fuzz_messages from the goldens' own templates and conversations.

    python make_template_seeds.py CORPUS_DIR
"""

import hashlib
import json
import pathlib
import sys

import template_conversations
import template_expressions
import template_filters
import template_statements


def put(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8")
    (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)


def main():
    corpus = pathlib.Path(sys.argv[1])
    for source in template_statements.TEMPLATES[::2]:
        put(corpus / "template", source)
    expressions = template_expressions.EXPRESSIONS + template_filters.FILTERS
    for i in range(0, len(expressions), 12):
        put(corpus / "template", "".join("{{ " + e + " }}" for e in expressions[i:i + 12] if "/ 0" not in e))
    for case in template_conversations.conversations()[::9]:
        put(corpus / "messages", json.dumps(case, ensure_ascii=False))
    for text in ("[]", "{}", "[{}]", "[[[[[[", '{"messages": 1}', '{"messages":[{"role":"user"}],"tools":[1]}', "\ufeff[]",
                 "<think>a</think>b", "<|channel>thought\na<channel|>b",
                 "<|start|>assistant<|channel|>analysis<|message|>a<|end|><|channel|>final<|message|>b<|return|>"):
        put(corpus / "messages", text)


if __name__ == "__main__":
    main()
