"""Writes the requests that lm_eval makes of a few documents, and every text it hands to the tokenizer for them.

pip install torch transformers "lm_eval==0.4.13"
python tests/golden/lm_eval_requests.py TOKENIZER_DIR [TOKENIZER_DIR ...] > tests/eval/data/lm_eval_requests.json
"""

import json
import pathlib
import sys
import types

from lm_eval.api.model import TemplateLM
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.utils import handle_non_serializable, hash_string
from transformers import AutoTokenizer

from lm_eval_local import local_task

DATA = pathlib.Path(__file__).resolve().parent.parent / "eval/data"
FILES = {
    "arc_challenge": {"test": DATA / "arc_test.jsonl"},
    "arc_challenge_chat": {"test": DATA / "arc_test.jsonl"},
    "truthfulqa_mc1": {"validation": DATA / "truthfulqa.jsonl"},
    "gsm8k": {"test": DATA / "gsm8k_test.jsonl", "train": DATA / "gsm8k_train.jsonl"},
    "gsm8k_cot": {"test": DATA / "gsm8k_test.jsonl"},
}


class Tokens:
    """lm_eval's splitting of context and continuation over one tokenizer, recording what it encodes."""

    backend = "causal"

    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.calls = {}

    def tok_encode(self, text, **kwargs):
        bos = self.tokenizer.bos_token_id
        like = types.SimpleNamespace(
            tokenizer=self.tokenizer,
            add_bos_token=None,
            prefix_token_id=bos if bos is not None else self.tokenizer.eos_token_id,
        )
        ids = HFLM.tok_encode(like, text, **kwargs)
        self.calls[text] = ids
        return ids


def main():
    out = {"requests": {}, "tokens": {}}
    pairs = []
    for name, files in FILES.items():
        task = ConfigurableTask(config=local_task(name, files))
        task.set_fewshot_seed(1234)
        task.build_all_requests()
        docs = {}
        for one in task.instances:
            doc = docs.setdefault(
                one.doc_id,
                {
                    "doc_hash": hash_string(
                        json.dumps(one.doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
                    ),
                    "target": str(task.doc_to_target(one.doc)),
                    "context": one.args[0],
                    "continuations": [],
                },
            )
            if one.request_type == "loglikelihood":
                doc["continuations"].append(one.args[1])
                pairs.append(one.args)
        out["requests"][name] = [docs[i] for i in sorted(docs)]
    for context in ("Two spaces  ", "A line\n", "no end", "<|begin_of_text|>begun"):
        pairs.append((context, "word and more"))
    for folder in sys.argv[1:]:
        tokens = Tokens(folder)
        rows = []
        for context, continuation in pairs:
            left, right = TemplateLM._encode_pair(tokens, context, continuation)
            rows.append({"context": context, "continuation": continuation, "ids": [left, right]})
        out["tokens"][pathlib.Path(folder).name] = {
            "bos": tokens.tokenizer.bos_token or "",
            "pairs": rows,
            "encoded": [[text, ids] for text, ids in tokens.calls.items()],
        }
    json.dump(out, sys.stdout, ensure_ascii=False, indent=None)
    print()


main()
