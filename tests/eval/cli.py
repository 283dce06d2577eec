"""What moe-eval says and returns when a command line, a task file or an output directory is wrong.

python3 tests/eval/cli.py PROGRAM
"""

import os
import pathlib
import subprocess
import sys
import tempfile

PROGRAM = sys.argv[1]
DATA = str(pathlib.Path(__file__).resolve().parent / "data")


def main():
    failures = []
    with tempfile.TemporaryDirectory() as scratch:
        broken = pathlib.Path(scratch) / "tasks"
        broken.mkdir()
        (broken / "t.json").write_text('{"task": "t", "version": "1", "title": "x", "colour": 1}')
        gsm8k = pathlib.Path(scratch) / "gsm8k"
        gsm8k.mkdir()
        for name in ("test", "train"):
            (gsm8k / f"{name}.jsonl").write_text((pathlib.Path(DATA) / f"gsm8k_{name}.jsonl").read_text())
        blocked = pathlib.Path(scratch) / "file"
        blocked.write_text("")
        run = ["run", "-m", scratch, "--tasks", "gsm8k", "--data", scratch]
        cases = [
            (["--help"], 0, "", "moe-eval run"),
            (["--version"], 0, "", "moe-eval "),
            (["ls"], 0, "", "truthfulqa_mc1"),
            (["validate", "--tasks", "gsm8k:zero_shot", "--data", scratch], 0, "rows, where the published file has 1319", "3 items"),
            ([], 2, "subcommand", ""),
            (["run"], 2, "--model", ""),
            (["run", "-m", scratch], 2, "no tasks", ""),
            ([*run[:3], "--tasks", "gsm8q"], 2, 'found "gsm8q"', ""),
            ([*run[:3], "--tasks", "gsm8k:quick"], 2, "zero_shot", ""),
            ([*run, "--limit", "0"], 2, "--limit", ""),
            ([*run, "--repeats", "3"], 2, "--temp above 0", ""),
            ([*run, "--apply_chat_template", "--no-chat-template"], 2, "exclude each other", ""),
            ([*run, "--items", scratch + "/none"], 1, "none", ""),
            ([*run[:5], "--data", "/no/such"], 1, "grade-school-math", ""),
            (["run", "-m", "/no/such/model", *run[3:]], 2, "/no/such/model", ""),
            ([*run, "--output_path", str(blocked)], 1, "file", ""),
            ([*run, "-o", scratch + "/out"], 1, scratch, ""),
            (["ls", "--include", str(broken)], 1, "t.json", ""),
            (["ls", "--include", scratch + "/none"], 1, "none", ""),
        ]
        for arguments, code, on_stderr, on_stdout in cases:
            done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60,
                                  env={**os.environ, "MOE_DATA": ""})
            fine = done.returncode == code and on_stderr in done.stderr and on_stdout in done.stdout
            if code != 0:
                errors = [line for line in done.stderr.splitlines() if line.startswith("moe-eval: error:")]
                fine = fine and len(errors) == 1
            if not fine:
                failures.append(f"{arguments}: {done.returncode}, expected {code}\n  {done.stdout[-300:]}\n  {done.stderr[-600:]}")
    print("\n".join(failures) or f"{len(cases)} command lines as expected")
    sys.exit(1 if failures else 0)


main()
