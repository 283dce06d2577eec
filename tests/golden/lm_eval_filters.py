"""What lm_eval's own filters and metric make of responses to GSM8K.

    pip install lm_eval
    python lm_eval_filters.py > ../eval/extract/lm_eval_filters.json

Each row: response, gold answer, then value and score of strict-match, flexible-extract and gsm8k_cot's strict-match.
"""
import json
import random
import sys

from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters.extraction import RegexFilter

FILTERS = [
    RegexFilter(r"#### (\-?[0-9\.\,]+)"),
    RegexFilter(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1),
    RegexFilter(r"The answer is (\-?[0-9\.\,]+)."),
]
IGNORED = [",", r"\$", r"(?s).*#### ", r"\.$"]
PIECES = ["#### ", "####", "The answer is ", "the answer is ", "5", "-5", "$5.00", "1,234", "12.", "3.50", ".", ",", "$", "-",
          "--", " ", "\n", "\n\n", "She has ", "%", "and then ", "#### 8", "The answer is 18.", "The answer is 7\n", "= "]


def main():
    rng = random.Random(3)
    rows = []
    for _ in range(300):
        response = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 9)))
        gold = "2 + 3 = 5\n#### " + rng.choice(["5", "8", "1,234", "18", "7"])
        row = [response, gold]
        for one in FILTERS:
            value = one.apply([[response]], [{}])[0][0]
            score = exact_match_hf_evaluate([value], [gold], regexes_to_ignore=IGNORED, ignore_case=True)["exact_match"]
            row += [value, bool(score)]
        rows.append(json.dumps(row))
    sys.stdout.write("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
