"""Runs lm_eval with transformers (fp32) on local data and compares each choice's log-likelihood with our journal.

pip install torch transformers "lm_eval==0.4.13"
moe-eval run -m MODEL --tasks arc_challenge --limit 100 --data DIR -o OUT
python tests/golden/compare_lm_eval.py MODEL JOURNAL arc_challenge test=DIR/hf_test.jsonl [--limit 100] [--save FILE]
                                       [--saved FILE] [--tolerance 1e-3]

The data file must be in Hugging Face's shape. --save keeps lm_eval's numbers, --saved uses them again.
"""

import argparse
import json
import pathlib
import sys

from lm_eval_local import local_task


def run_lm_eval(options):
    """[{doc_hash, loglikelihoods, greedy, acc, acc_norm}] in the order of the documents."""
    import lm_eval
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM

    files = dict(one.split("=", 1) for one in options.files)
    task = ConfigurableTask(config=local_task(options.task, files))
    model = HFLM(pretrained=options.model, device="cpu", dtype="float32", batch_size=options.batch)
    out = lm_eval.evaluate(
        lm=model, task_dict={options.task: task}, limit=options.limit, bootstrap_iters=0, log_samples=True
    )
    rows = []
    for sample in out["samples"][options.task]:
        pairs = [resp[0] for resp in sample["resps"]]
        row = {"doc_hash": sample["doc_hash"], "prompt_hash": sample["prompt_hash"], "target_hash": sample["target_hash"]}
        row["loglikelihoods"] = [float(pair[0]) for pair in pairs]
        row["greedy"] = [str(pair[1]) == "True" for pair in pairs]
        row.update({name: sample[name] for name in sample["metrics"]})
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("journal")
    parser.add_argument("task")
    parser.add_argument("files", nargs="*", help="split=path, Hugging Face's shape")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--save")
    parser.add_argument("--saved")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    options = parser.parse_args()
    if options.saved:
        theirs = json.loads(pathlib.Path(options.saved).read_text())
    else:
        theirs = run_lm_eval(options)
    if options.save:
        pathlib.Path(options.save).write_text(json.dumps(theirs))
    ours = {}
    for line in pathlib.Path(options.journal).read_text().splitlines():
        record = json.loads(line)
        if record["task"] == options.task and record["strategy"] == "lm_eval" and record["loglikelihoods"]:
            ours[record["doc_hash"]] = record
    worst, missing, differ, counted = 0.0, 0, [], {}
    for index, row in enumerate(theirs):
        record = ours.get(row["doc_hash"])
        if record is None:
            missing += 1
            continue
        for name in ("prompt", "target"):
            if record["hashes"][name] != row[name + "_hash"]:
                differ.append(f"item {index}: another {name}")
        deltas = [abs(a - b) for a, b in zip(row["loglikelihoods"], record["loglikelihoods"], strict=True)]
        worst = max([worst, *deltas])
        if max(deltas) > options.tolerance:
            differ.append(f"item {index}: log-likelihoods differ by {max(deltas):.6f}")
        if record["is_greedy"] != row["greedy"]:
            differ.append(f"item {index}: another choice is greedy")
        for metric in record["correct"]:
            counted.setdefault(metric, [0, 0])
            counted[metric][0] += int(row[metric])
            counted[metric][1] += int(record["correct"][metric])
            if bool(row[metric]) != record["correct"][metric]:
                differ.append(f"item {index}: {metric} {row[metric]} there, {record['correct'][metric]} here")
    print(f"{options.task}: {len(theirs)} items, {missing} not in the journal, worst difference {worst:.2e}")
    for metric, (a, b) in counted.items():
        print(f"  {metric}: {a} right there, {b} here")
    for line in differ:
        print("  " + line)
    sys.exit(1 if differ or missing else 0)


if __name__ == "__main__":
    main()
