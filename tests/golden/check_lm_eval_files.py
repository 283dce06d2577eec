"""Reads result and sample files of moe-eval with lm_eval's own functions and checks every key its schema names.

pip install "lm_eval==0.4.13"
moe-eval run -m MODEL --tasks arc_challenge,gsm8k:zero_shot --data DIR -o OUT
python tests/golden/check_lm_eval_files.py OUT
"""

import json
import pathlib
import sys

from lm_eval.result_schema import EvalResults, SampleResult, _EvalConfig, _TaskMetrics
from lm_eval.utils import get_file_task_name, get_latest_filename, get_results_filenames, get_sample_results_filenames, make_table


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


# What lm_eval itself leaves out without PyTorch and a tokenizer of its own, or without groups of tasks.
ELSEWHERE = {"groups", "samples", "pretty_env_info", "transformers_version", "lm_eval_version", "upper_git_hash", "tokenizer_pad_token",
             "tokenizer_eos_token", "tokenizer_bos_token", "eot_token_id", "max_length"}


def main():
    names = [str(path) for path in pathlib.Path(sys.argv[1]).rglob("*.json*")]
    results_file = get_latest_filename(get_results_filenames(names))
    results = json.loads(pathlib.Path(results_file).read_text())
    missing = set(EvalResults.__annotations__) - set(results) - ELSEWHERE
    check(not missing, f"keys of the results: {missing} are missing")
    unknown = set(results["config"]) - set(_EvalConfig.__annotations__)
    check(not unknown, f"keys of the configuration: {unknown} are unknown")
    for task, metrics in results["results"].items():
        fixed = set(_TaskMetrics.__annotations__) - {"sample_count"}
        check(fixed <= set(metrics), f"{task}: {fixed - set(metrics)}")
        check(all("," in key for key in set(metrics) - fixed), f"{task}: metrics are named metric,filter")
    print(make_table(results))
    samples = get_sample_results_filenames(names)
    stamp = pathlib.Path(results_file).stem.removeprefix("results_")
    for task in results["results"]:
        name = next(n for n in samples if n.endswith(f"{stamp}.jsonl") and get_file_task_name(pathlib.Path(n).name) == task)
        lines = [json.loads(line) for line in pathlib.Path(name).read_text().splitlines()]
        filters = {line["filter"] for line in lines}
        check(len(lines) == results["n-samples"][task]["effective"] * len(filters), f"{task}: a line a document and filter")
        for line in lines:
            fixed = set(SampleResult.__annotations__)
            check(fixed | set(line["metrics"]) == set(line), f"{task}: keys {fixed ^ set(line)}")
            check(all(isinstance(line[metric], float) for metric in line["metrics"]), f"{task}: metrics are floats")
        for metric in {metric for line in lines for metric in line["metrics"]}:
            for one in filters:
                mean = sum(line[metric] for line in lines if line["filter"] == one) / results["n-samples"][task]["effective"]
                check(abs(mean - results["results"][task][f"{metric},{one}"]) < 1e-12, f"{task}: {metric},{one} is the mean of its samples")
        print(f"{task}: {len(lines)} samples, filters {sorted(filters)}")


main()
