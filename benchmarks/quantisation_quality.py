#!/usr/bin/env python3
"""How far quantised weights move a model's predictions: KL divergence to the stored weights, and perplexity.

    quantisation_quality.py --bin build/release/bin --model SMOLLM2_DIR --tokens 50000 TEXT...

TEXT files are plain text, or JSON (lines or an array), of which the strings of questions and answers are taken. The tokens
are cut into windows; as llama-perplexity does, the second half of each window is scored. --emulate adds GGUF's Q8_0 and
Q4_0 (pip install gguf safetensors torch): weights are quantised by the gguf package, widened again, and run in f32, so
that their figures are those of the weights alone. Measured beside them in f32, ours are too; --forms adds int8.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np

KEYS = ("question", "answer", "problem", "solution", "text", "prompt")


def strings(value) -> list[str]:
    if isinstance(value, list):
        return [s for v in value for s in strings(v)]
    if isinstance(value, dict):
        return [value[k] for k in KEYS if isinstance(value.get(k), str)]
    return []


def read_text(path: pathlib.Path) -> list[str]:
    text = path.read_text()
    if path.suffix == ".json":
        return strings(json.loads(text))
    if path.suffix == ".jsonl":
        return strings([json.loads(line) for line in text.splitlines() if line.strip()])
    return [text]


def tokenize(options) -> list[int]:
    per_file = [strings_of for path in options.text if (strings_of := read_text(path))]
    # Texts of all files in turn, so that each has its share.
    texts = [t for group in zip(*per_file) for t in group] if len(per_file) > 1 else per_file[0]
    ids: list[int] = []
    for at in range(0, len(texts), 256):
        lines = "\n".join(json.dumps(t + "\n") for t in texts[at:at + 256]) + "\n"
        done = subprocess.run([options.bin / "moe-tokenize", options.model, "--json", "--no-special"], input=lines, text=True,
                              capture_output=True, check=True)
        for line in done.stdout.splitlines():
            ids += json.loads(line)["ids"]
        if len(ids) >= options.tokens:
            return ids[:options.tokens]
    raise SystemExit(f"only {len(ids)} tokens of text")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, dtype=np.float64, keepdims=True)).astype(np.float32)


class Runs:
    """Log-probabilities of a window under each form of the weights."""

    def __init__(self, options, folder: pathlib.Path):
        self.options, self.folder = options, folder

    def window(self, ids: list[int], model, weights: str, compute: str) -> np.ndarray:
        prompt, out = self.folder / "ids.json", self.folder / "logits.npy"
        prompt.write_text(json.dumps(ids))
        subprocess.run([self.options.bin / "moe-run", "-m", model, "--prompt-ids", prompt, "-n", "0", "--dump-logits", out,
                        "--weights", weights, "--compute", compute, "-t", str(self.options.threads)], check=True,
                       capture_output=True)
        return log_softmax(np.load(out)[len(ids) // 2:-1])


def emulated(model: pathlib.Path, kind: str, out: pathlib.Path) -> pathlib.Path:
    """A copy of the model whose matrices went through a GGUF type; the embedding through Q8_0 at least."""
    import gguf
    import safetensors.torch
    import torch
    to = {"Q8_0": gguf.GGMLQuantizationType.Q8_0, "Q4_0": gguf.GGMLQuantizationType.Q4_0}
    out.mkdir()
    for file in model.iterdir():
        if file.suffix == ".json":
            (out / file.name).write_bytes(file.read_bytes())
    tensors = safetensors.torch.load_file(model / "model.safetensors")
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        if values.ndim == 2:
            form = to["Q8_0" if "embed" in name or "lm_head" in name else kind]
            values = gguf.quants.dequantize(gguf.quants.quantize(values, form), form)
        tensors[name] = torch.from_numpy(np.ascontiguousarray(values))
    safetensors.torch.save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="+", type=pathlib.Path)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=50000)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--forms", default="native:bf16,q8:f32,q8:int8,q4:f32,q4:int8,q4h8:f32,q4h8:int8")
    parser.add_argument("--emulate", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    ids = tokenize(options)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        runs = Runs(options, folder)
        forms = {f"{w}, {c}": (options.model, w, c) for w, c in (form.split(":") for form in options.forms.split(","))}
        for kind in ("Q8_0", "Q4_0") if options.emulate else ():
            forms[f"{kind}, f32"] = (emulated(options.model, kind, folder / kind), "native", "f32")
        divergence = {name: [] for name in forms}
        loss = {name: [] for name in ("stored, f32", *forms)}
        same = {name: [] for name in forms}
        for at in range(0, len(ids) - options.window + 1, options.window):
            window = ids[at:at + options.window]
            targets = np.array(window[options.window // 2 + 1:])[:, None]
            base = runs.window(window, options.model, "native", "f32")
            loss["stored, f32"].append(-np.take_along_axis(base, targets, 1)[:, 0])
            for name, form in forms.items():
                other = runs.window(window, *form)
                loss[name].append(-np.take_along_axis(other, targets, 1)[:, 0])
                divergence[name].append((np.exp(base) * (base - other)).sum(axis=1, dtype=np.float64))
                same[name].append(base.argmax(axis=1) == other.argmax(axis=1))
        count = sum(map(len, loss["stored, f32"]))
        print(f"{len(ids)} tokens in windows of {options.window}, {count} scored\n")
        print("| weights, compute | KL divergence, mean | median | 99 % | same top token | perplexity |\n|---|---:|---:|---:|---:|---:|")
        print(f"| stored, f32 | 0 | 0 | 0 | 100 % | {np.exp(np.mean(np.concatenate(loss['stored, f32']))):.4f} |")
        for name in forms:
            kl = np.concatenate(divergence[name])
            print(f"| {name} | {kl.mean():.6f} | {np.median(kl):.6f} | {np.quantile(kl, 0.99):.5f} | "
                  f"{100 * np.mean(np.concatenate(same[name])):.2f} % | {np.exp(np.mean(np.concatenate(loss[name]))):.4f} |")


if __name__ == "__main__":
    main()
