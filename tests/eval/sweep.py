"""Sweeps, item lists, samples, latency and checks beforehand, through the program.

python3 tests/eval/sweep.py MOE_EVAL MOE_CONVERT MODEL DATA

Exit code 77 (skipped) where the model or the data is absent.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from journals import essence, records, results

EVAL, CONVERT, MODEL, DATA = sys.argv[1:5]


def run(*arguments, code=0, command="run"):
    done = subprocess.run([EVAL, command, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=300)
    if done.returncode != code:
        sys.exit(f"{arguments}: exit code {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}")
    return done


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def sweeps(scratch):
    """Models x routers x tasks x budgets from a file; the command line wins over the file."""
    sparse = scratch / "sparse"
    subprocess.run([CONVERT, MODEL, sparse, "--upcycle", "4:2"], check=True, stdout=subprocess.DEVNULL)
    file = scratch / "sweep.json"
    plan = {"models": [MODEL, str(sparse)], "tasks": ["arc_challenge", "gsm8k:zero_shot"], "experts_per_token": ["own", 1, 2],
            "max_tokens": [4, 8], "limit": 6, "data": DATA, "output_path": str(scratch / "sweep"), "threads": 1}
    file.write_text(json.dumps(plan))
    checked = run("--sweep", file, command="validate")
    for part in ("memory:", "time:", "prompts of", "gsm8k__zero_shot__max_tokens_8__experts_1: 6 items"):
        check(part in checked.stdout, f"validate says {part}: {checked.stdout}")
    first = run("--sweep", file)
    check("left out of this axis" in first.stderr and "dense" in first.stderr, "a dense model runs as it is, and says so")
    scores = results(scratch / "sweep")
    dense, moe = (next(scores[name] for name in scores if name.endswith(end)) for end in ("hf", "sparse"))
    check(sorted(dense) == ["arc_challenge", "gsm8k__zero_shot__max_tokens_4", "gsm8k__zero_shot__max_tokens_8"], dense.keys())
    check(sorted(moe) == sorted([*dense, *(name + "__experts_1" for name in dense)]), moe.keys())
    found = records(scratch / "sweep")
    check(len(found) == 18 + 36, f"{len(found)} records")
    k1 = [r for r in found.values() if r["router"]["experts_per_token"] == 1]
    own = [r for r in found.values() if r["model"] == str(sparse) and not r["variant"].endswith("experts_1")]
    check(len(k1) == 18 and len(own) == 18, "half of the sparse model's records are the changed router's")
    check(k1[0]["cost"]["as_if_alone"]["prefill"]["components"]["experts"]["class_a"] * 2
          == own[0]["cost"]["as_if_alone"]["prefill"]["components"]["experts"]["class_a"], "one expert in place of two: half the work")
    again = run("--sweep", file, "--limit", 3)
    check(len(records(scratch / "sweep")) == 54 and "stand in the journal already" in again.stderr, "nothing runs twice")
    file.write_text(json.dumps({**plan, "colour": "red"}))
    check("colour" in run("--sweep", file, code=1).stderr, "an unknown key is named")
    file.write_text(json.dumps({**plan, "batch_size": "many"}))
    check("batch_size" in run("--sweep", file, code=1).stderr, "a value that makes no sense is named")
    run("-m", MODEL, "--tasks", "arc_challenge", "--data", DATA, "--experts-per-token", 2, "-o", scratch / "none", code=2)


def routing(scratch):
    """What the routers chose, condition by condition."""
    sparse, file = scratch / "sparse", scratch / "routing.json"
    subprocess.run([CONVERT, MODEL, sparse, "--upcycle", "4:2"], check=True, stdout=subprocess.DEVNULL)
    flags = ["-m", sparse, "--tasks", "arc_challenge,gsm8k:zero_shot", "--data", DATA, "--max-tokens", 4,
             "--experts-per-token", "own,1", "--routing-stats", file, "--routing-window", 16, "-o", scratch / "out"]
    run(*flags, "--limit", 3)
    cells = json.loads(file.read_text())["cells"]
    names = ["arc_challenge", "gsm8k__zero_shot__max_tokens_4"]
    check([cell["condition"] for cell in cells] == [*names, *(name + "__experts_1" for name in names)], "one cell a condition")
    done = records(scratch / "out").values()
    for cell in cells:
        mine = [r for r in done if r["task"] == cell["task"] and r["variant"] == cell["variant"]]
        check(cell["items"] == len(mine) == 3 and cell["model"] == str(sparse), "its items")
        # Every token that was computed passes every router.
        tokens = sum(r["cost"]["prefill"]["tokens"] + r["cost"]["decode"]["tokens"] for r in mine)
        for layer in cell["layers"]:
            check(layer["tokens"] == tokens and layer["top_k"] == (1 if "experts_1" in cell["variant"] else 2), "its tokens")
            check(sum(layer["load"]) == tokens * layer["top_k"], "loads add up")
            check(len(layer["sets"]) == tokens // 16 and layer["open_set"]["tokens"] == tokens % 16, "windows begin anew")
    before = file.read_text()
    check("routing statistics hold the 0 items" in run(*flags, "--limit", 3).stderr and file.read_text() == before, "nothing ran: nothing is written")
    more = run(*flags, "--limit", 4)
    check("1 items that ran now, not the 3" in more.stderr, f"what is missing is said: {more.stderr}")
    check([cell["items"] for cell in json.loads(file.read_text())["cells"]] == [1, 1, 1, 1], "only what ran")
    dense = run("-m", MODEL, "--tasks", "arc_challenge", "--data", DATA, "--routing-stats", file, "-o", scratch / "out", code=2)
    check("--routing-stats" in dense.stderr and "dense" in dense.stderr, "a dense model is refused")
    lost = run("-m", sparse, "--tasks", "arc_challenge", "--data", DATA, "--routing-stats", scratch / "none" / "file", "-o", scratch / "other", code=1)
    check("none" in lost.stderr and not records(scratch / "other"), "a file that cannot be written is known before anything runs")


def forms(scratch):
    """Weights, arithmetic and cache as axes; stops ignored."""
    base = ["-m", MODEL, "--data", DATA, "--tasks", "arc_challenge,gsm8k:zero_shot", "--limit", 3, "--max-tokens", 5, "-t", 1]
    axes = ["--weights", "native,q8", "--cache-type", "own,q8"]
    checked = run(*base, *axes, "--compute", "own,int8", command="validate").stdout
    run(*base, *axes, "-o", scratch / "out")
    names = ["", "__cache_q8", "__weights_q8", "__weights_q8__cache_q8"]
    (scores,) = results(scratch / "out").values()
    check(sorted(scores) == sorted(label + name for name in names for label in ("arc_challenge", "gsm8k__zero_shot__max_tokens_5")),
          "each form has a name")
    found = records(scratch / "out").values()
    kinds = {(r["env"]["weights"], r["env"]["compute"], r["env"]["cache"]) for r in found}
    check(kinds == {("native", "f32", "f32"), ("native", "f32", "q8"), ("q8", "int8", "bf16"), ("q8", "int8", "q8")}, kinds)
    likelihoods = {tuple(r["loglikelihoods"]) for r in found if r["task"] == "arc_challenge" and r["doc_id"] == 0}
    check(len(found) == 24 and len(likelihoods) == 4, "every form has likelihoods of its own")
    for name in names[:1] + names[2:3]:
        check(f"gsm8k__zero_shot__max_tokens_5{name}: 3 items" in checked, f"validate plans the forms: {checked}")
    again = run(*base, "--weights", "q8", "--compute", "int8", "--packed-cache", scratch / "packed", "-o", scratch / "out")
    check("stand in the journal already" in again.stderr, "what is usual may be said, and packed files change nothing")
    check(list((scratch / "packed").iterdir()), "the packed file is there")
    run(*base, "--weights", "q8", "--packed-cache", scratch / "packed", "-o", scratch / "mapped")
    mapped = essence(scratch / "mapped")
    check(all(essence(scratch / "out")[key] == record for key, record in mapped.items()) and mapped, "to the bit alike from a packed file")
    check(list((scratch / "cache" / "moe" / "hashes").iterdir()), "the hash of the model's files is kept")
    run(*base, "--weights", "q5", "-o", scratch / "out", code=2)
    timed = run(*base, "--ignore-stops", "-o", scratch / "timed")
    check("stops were IGNORED" in timed.stdout and "CUT OFF" not in timed.stdout, "ignored stops are loud")
    replies = [r for r in records(scratch / "timed").values() if r["task"] == "gsm8k"]
    check(all(r["finish_reason"] == "length" and r["tokens"]["answer"] + r["tokens"]["thought"] == 5 for r in replies), "replies run to their cap")
    check(all(r["sampling"]["ignore_stops"] and r["variant"] == "max_tokens_5__ignore_stops" for r in replies), "and say so")


def one_model(scratch):
    small = ["-m", MODEL, "--data", DATA, "--max-tokens", 6]
    base = [*small, "-c", 1024]
    tasks = ["--tasks", "arc_challenge,gsm8k:few_shot_cot", "--limit", 12]
    # To the bit alike, however it is worked off.
    for place, flags in (("a", ["-t", 1]), ("b", ["-t", 1, "--batch-size", 7]), ("c", ["-t", 2, "--no-share-prefix"]), ("d", ["-t", 2, "--batch-size", 2])):
        run(*base, *tasks, "-o", scratch / place, *flags)
        check(essence(scratch / place) == essence(scratch / "a"), f"{flags} changes nothing")
    # One at a time: the same answers, and records of its own.
    done = run(*base, *tasks, "-o", scratch / "a", "--latency")
    check("latency s" in done.stdout and "wall s an item" not in done.stdout, "the column is a latency")
    modes = {}
    for record in records(scratch / "a").values():
        modes.setdefault(record["timing"]["mode"], {})[record["task"], record["doc_id"]] = (record["response"], record["loglikelihoods"])
        check(record["timing"]["mode"] == "throughput" or record["tokens"]["shared"] == 0, "nothing is shared")
    check(len(modes["latency"]) == 24 and modes["latency"] == modes["throughput"], "latency and throughput agree")
    # Executed and shared work add up to all of it; a scored item has its context once an item, and alone once a choice.
    written = [r for r in records(scratch / "b").values() if r["task"] == "gsm8k"]
    check(sum(r["tokens"]["shared"] > 0 for r in written) == 11, "the examples are computed once")
    # Item lists.
    (scratch / "list.txt").write_text("5, 3\n3")
    (scratch / "study.jsonl").write_text('{"sample_id": 2}\n')
    run(*base, "--tasks", "arc_challenge,gsm8k:zero_shot", "--items", scratch / "list.txt", "--items", f"gsm8k={scratch / 'study.jsonl'}", "-o", scratch / "items")
    check(sorted((r["task"], r["doc_id"]) for r in records(scratch / "items").values())
          == [("arc_challenge", 3), ("arc_challenge", 5), ("gsm8k", 2)], "the listed items ran")
    # Samples: their own records, one prompt.
    samples = [*base, "--tasks", "gsm8k:zero_shot", "--limit", 3, "--repeats", 4, "--temp", 0.9]
    run(*samples, "-o", scratch / "samples")
    found = list(records(scratch / "samples").values())
    check(sorted(r["repeat"] for r in found if r["doc_id"] == 1) == [0, 1, 2, 3], "four samples an item")
    check(len({r["response"] for r in found}) > 3, "samples differ")
    check(sum(r["tokens"]["shared"] == len(r["prompt_tokens"]) for r in found) == 9, "a prompt is computed once for all its samples")
    run(*samples, "--batch-size", 1, "-o", scratch / "one")
    alone = {(r["doc_id"], r["repeat"]): r["response"] for r in records(scratch / "one").values()}
    check(all(alone[r["doc_id"], r["repeat"]] == r["response"] for r in found), "samples are those of one at a time")
    # Items that fail: exit code 3, and they are tried again.
    for _ in range(2):
        failed = run(*small, "--tasks", "gsm8k:zero_shot", "--limit", 2, "-c", 8, "-o", scratch / "short", code=3)
        check("FAILED" in failed.stdout, "failures are loud")
    check("CUT OFF" in run(*base, "--tasks", "gsm8k:zero_shot", "--limit", 2, "-o", scratch / "a").stdout, "so is truncation")


def main():
    if not (os.path.isdir(MODEL) and os.path.isdir(DATA)):
        print("skipped: needs a model and the public data sets")
        sys.exit(77)
    for part in (sweeps, routing, forms, one_model):
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["XDG_CACHE_HOME"] = scratch + "/cache"  # the user's own stays as it is
            part(pathlib.Path(scratch))
    print("sweeps, lists, samples and latency as expected")


main()
