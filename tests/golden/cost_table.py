"""Prints docs/costs-golden.md: class A work counted by moe-run beside torch's counter, over the golden models.

    python tests/golden/cost_table.py --moe-run build/release/bin/moe-run > docs/costs-golden.md

Needs nothing but Python; torch's numbers are those that make_models.py stored. Exits with 1 where two differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

INTRO = """# Class A work on the golden models

One prompt of every checkpoint under `tests/golden/models`: prefill with the last row of logits, then one decode step.
"counted" is what `moe-run` reports for the work it executed; "torch" is what FlopCounterMode (2.13, eager attention and
experts) counts in the reference, without the query-key pairs that the mask hides. Equal to the last unit. For DeepSeek
the reference expands latents into keys and values and the engine does not (2·n·(2r − d_n − d_v) a visible pair and
layer); its torch columns carry that difference. `tests/models/golden_costs_test.cpp` checks every prompt, all rows,
chunks, both classes and the closed forms; `tests/golden/cost_table.py` prints this table.

| checkpoint | parameters | tokens | prefill, torch | prefill, counted | decode step, torch | decode step, counted |
|---|---|---|---|---|---|---|"""


def latent_pair(config: dict) -> int:
    """How much more one visible pair costs in this engine's form of latent attention than in the expanded one."""
    if "kv_lora_rank" not in config:
        return 0
    dims = 2 * config["kv_lora_rank"] - config["qk_nope_head_dim"] - config["v_head_dim"]
    return config["num_hidden_layers"] * 2 * config["num_attention_heads"] * dims


def counted(moe_run: str, directory: str, ids: list[int]) -> tuple[int, int]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(ids, file)
        file.flush()
        command = [moe_run, "-m", directory, "--prompt-ids", file.name, "-n", "2", "-c", "1024", "--temp", "0", "--ignore-eos", "--json"]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if result.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {result.stderr.strip()}")
    cost = json.loads(result.stdout)["cost"]
    return cost["prefill"]["class_a"], cost["decode"]["class_a"]


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moe-run", required=True, help="the program")
    parser.add_argument("--models", default=os.path.join(here, "models"))
    arguments = parser.parse_args()
    print(INTRO)
    equal = True
    for name in sorted(os.listdir(arguments.models)):
        directory = os.path.join(arguments.models, name)
        with open(os.path.join(directory, "golden.json")) as file:
            golden = json.load(file)
        with open(os.path.join(directory, "config.json")) as file:
            pair = latent_pair(json.load(file))
        prompt = max(golden["prompts"], key=lambda entry: len(entry["ids"]))
        n = len(prompt["ids"])
        prefill = prompt["class_a"]["prefill_last_row"] + pair * n * (n + 1) // 2
        decode = prompt["class_a"]["decode_step"] + pair * (n + 1)
        ours = counted(arguments.moe_run, directory, prompt["ids"])
        equal = equal and ours == (prefill, decode)
        print(f"| {name} | {golden['parameters']:,} | {n} | {prefill:,} | {ours[0]:,} | {decode:,} | {ours[1]:,} |")
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
