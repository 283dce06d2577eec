"""Expectations for small templates of our own, made by the environment that transformers renders chat templates in.

    pip install transformers jinja2
    python make_template_cases.py OUT_FILE
"""

import datetime
import json
import sys

import transformers.utils.chat_template_utils as chat_template_utils

import template_expressions
import template_filters
import template_statements
from make_template_goldens import FixedDate


def main():
    chat_template_utils.datetime = FixedDate
    sources = ["{{ " + e + " }}" for e in template_expressions.EXPRESSIONS + template_filters.FILTERS]
    sources = [s.replace("\\\\", "\\") for s in sources] + template_statements.TEMPLATES
    cases = []
    for source in sources:
        case = {"template": source}
        try:
            template = chat_template_utils._compile_jinja_template(source)
            case["text"] = template.render(**json.loads(json.dumps(template_expressions.CONTEXT)))
            if " at 0x" in case["text"]:
                continue  # prints an address
        except Exception as error:
            case["error"] = f"{type(error).__name__}: {error}"
        cases.append(case)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        # As text, so that no reader rounds its numbers.
        context = json.dumps(json.dumps(template_expressions.CONTEXT, ensure_ascii=False), ensure_ascii=False)
        lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
        file.write(f'{{"context": {context},\n"cases": [\n{lines}\n]}}\n')
    print(len(cases), "cases,", sum("error" in c for c in cases), "raise")


if __name__ == "__main__":
    main()
