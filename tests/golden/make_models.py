"""Builds the tiny random checkpoints under tests/golden/models and the numbers that the engine must reproduce.

    pip install torch transformers safetensors numpy
    python tests/golden/make_models.py [--out DIR] [--only PART] [--list]
    python tests/golden/make_models.py --random COUNT --seed S --out DIR [--family NAME]    (see random_cases.py)

Each case becomes a directory: config.json and safetensors as transformers writes them (or as its older releases
did), and the reference's answers in fp32 (see golden_reference.py). The same seed gives the same checkpoint; a
seed is passed over when some router or greedy choice in it is so close that rounding could turn it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import safetensors
import torch
import transformers
from safetensors.torch import load_file, save_file

import golden_reference
from golden_case import DTYPES, Case, to_v4_keys
from golden_weights import randomise
from random_cases import random_cases

MODULES = ("cases_llama_qwen", "cases_phi_gemma3", "cases_gemma4", "cases_moe", "cases_deepseek", "cases_gpt_oss", "cases_alibi")
MAX_SEEDS = 40


def all_cases() -> list[Case]:
    cases = []
    for module in MODULES:
        if importlib.util.find_spec(module) is not None:
            cases += importlib.import_module(module).cases()
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two cases share a name"
    return cases


def write_checkpoint(case: Case, seed: int, directory: str) -> None:
    """Creates the model with random weights and saves it in the case's storage form."""
    model_class = case.model_class or transformers.AutoModelForCausalLM
    if hasattr(model_class, "from_config"):
        model = model_class.from_config(case.config, dtype=torch.float32)
    else:
        model = model_class(case.config).float()
    randomise(model, seed, tied=bool(case.config.tie_word_embeddings), gain=case.gain, special=case.init)
    model.to(DTYPES[case.dtype])
    model.config.dtype = DTYPES[case.dtype]
    options = {"save_original_format": not case.packed_experts}
    if case.shard_bytes:
        options["max_shard_size"] = case.shard_bytes
    model.save_pretrained(directory, **options)
    generation = os.path.join(directory, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)
    if case.edit_tensors:
        path = os.path.join(directory, "model.safetensors")
        tensors = case.edit_tensors(load_file(path))
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})
    path = os.path.join(directory, "config.json")
    with open(path) as file:
        config = json.load(file)
    if case.v4_keys:
        to_v4_keys(config)
    if case.edit_config:
        case.edit_config(config)
    with open(path, "w") as file:
        json.dump(config, file, indent=1)
        file.write("\n")


def load_reference(case: Case, directory: str):
    """The fp32 model that transformers makes of the written directory; every tensor it wants must be there."""
    if case.reference:
        return case.reference(case, directory)
    loader = case.model_class or transformers.AutoModelForCausalLM
    model, info = loader.from_pretrained(
        directory,
        dtype=torch.float32,
        attn_implementation="eager",
        experts_implementation="eager",
        output_loading_info=True,
    )
    if info["missing_keys"] or info["mismatched_keys"]:
        raise ValueError(f"{case.name}: transformers misses {info['missing_keys']} {info['mismatched_keys']}")
    return model.eval()


def build(case: Case, out: str, versions: dict) -> bool:
    """Writes the case with the first seed that is good enough; false, and no directory, if there is none."""
    directory = os.path.join(out, case.name)
    for seed in range(1, MAX_SEEDS + 1):
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        write_checkpoint(case, seed, directory)
        model = load_reference(case, directory)
        config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
        quality = golden_reference.run(case, model, config, directory, seed, versions)
        good = golden_reference.good_enough(case, quality)
        if good:
            break
    for name in os.listdir(directory):
        os.chmod(os.path.join(directory, name), 0o644)
    size = sum(os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory))
    print(
        f"{case.name:40s} seed {seed:2d}  range {quality['range']:6.1f}  router gap {quality['router_gap']:8.1e}"
        f"  greedy gap {quality['greedy_gap']:8.1e}  distinct {quality['distinct']:2d}  {size / 1024:7.0f} KiB"
        + ("" if good else "  NO GOOD SEED"),
        flush=True,
    )
    if not good:
        shutil.rmtree(directory)
    return good


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join(here, "models"), help="directory that receives the case directories")
    parser.add_argument("--only", default="", help="build only the cases whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the cases and what each is for")
    parser.add_argument("--random", type=int, default=0, help="build this many random cases in place of the checked-in ones")
    parser.add_argument("--seed", type=int, default=1, help="of --random")
    parser.add_argument("--family", default="", help="of --random: this family only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    versions = {
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "safetensors": safetensors.__version__,
    }
    if arguments.random:
        for case in random_cases(arguments.random, arguments.seed, arguments.family):
            build(case, arguments.out, versions)
        return
    for case in all_cases():
        if arguments.only not in case.name:
            continue
        if arguments.list:
            print(f"{case.name:40s} {case.note}")
        elif not build(case, arguments.out, versions):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
