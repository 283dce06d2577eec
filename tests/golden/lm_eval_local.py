"""lm_eval's own tasks on local JSON Lines files, without a download.

pip install torch transformers "lm_eval==0.4.13"
"""

import pathlib

import lm_eval.tasks
import yaml

YAML = {
    "arc_challenge": ["arc/arc_easy.yaml", "arc/arc_challenge.yaml"],
    "arc_challenge_chat": ["arc/arc_challenge_chat.yaml"],
    "truthfulqa_mc1": ["truthfulqa/truthfulqa_mc1.yaml"],
    "gsm8k": ["gsm8k/gsm8k.yaml"],
    "gsm8k_cot": ["gsm8k/gsm8k-cot.yaml"],
}


def local_task(name, files):
    """The configuration of task `name` with its data read from `files` (split -> path)."""
    folder = pathlib.Path(lm_eval.tasks.__file__).parent
    config = {}
    for part in YAML[name]:
        config.update(yaml.safe_load((folder / part).read_text()))
    config.pop("include", None)
    config.pop("tag", None)
    config["dataset_path"] = "json"
    config["dataset_name"] = None
    config["dataset_kwargs"] = {"data_files": {split: str(path) for split, path in files.items()}}
    for key in ("training_split", "validation_split", "test_split", "fewshot_split"):
        if config.get(key) not in files:
            config[key] = None
    return config
