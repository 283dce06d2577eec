#!/usr/bin/env python3
"""Times moe-bench and llama-bench programs in turn, on models of one shape and comparable bits, into a JSON file.

    compare_peers.py --moe-bench build/release/bin/moe-bench \\
        --peer "llama.cpp=PATH/llama-bench" --peer "ik=PATH/llama-bench -rtr 1" \\
        --shape dense=CONFIG.json --gguf "dense=DIR/dense-{type}.gguf" \\
        --shape moe=CONFIG.json:4 --gguf "moe=DIR/moe-{type}.gguf" \\
        --types bf16,q8,q4 --threads 1 --minutes 15 --out performance.json

peer_models.py writes the GGUF files; "CONFIG.json:4" keeps 4 layers. Programs take turns within a round, and rounds are
repeated until the time is up or --rounds are done, so that every program sees the same machine. One thread is pinned to
one processor. performance_report.py makes tables and charts of the result.
"""
import argparse
import functools
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

TYPES = {  # name: moe-bench's flags, GGUF type, bits a weight of the GGUF type
    "bf16": (["--weights", "native", "--compute", "bf16"], "bf16", 16),
    "q8": (["--weights", "q8", "--compute", "int8"], "q8_0", 8.5),
    "q4": (["--weights", "q4", "--compute", "int8"], "q4_0", 4.5),
}


def split_named(values):
    return dict(v.split("=", 1) for v in values)


def read_config(spec: str):
    path, _, layers = spec.partition(":")
    config = json.loads(pathlib.Path(path).read_text())
    config = {**config, **config.get("text_config", {})}
    return path, int(layers) if layers else config["num_hidden_layers"], config


def idle_expert_weights(config: dict, layers: int) -> int:
    """Weights of the experts that one token does not use."""
    experts = config.get("num_experts") or 0
    chosen = config.get("num_experts_per_tok") or config.get("top_k_experts") or 0
    if not experts or not chosen:
        return 0
    return layers * (experts - chosen) * 3 * config["hidden_size"] * config["moe_intermediate_size"]


def active_bytes(model_size: int, config: dict, layers: int, bits: float) -> float:
    """What one token reads of a GGUF file: all but idle experts and an embedding of its own."""
    rest = model_size - idle_expert_weights(config, layers) * bits / 8
    if not config.get("tie_word_embeddings"):
        rest -= config["vocab_size"] * config["hidden_size"] * bits / 8
    if config.get("hidden_size_per_layer_input"):
        rest -= config["vocab_size"] * config["hidden_size_per_layer_input"] * layers * bits / 8
    return rest


class Runner:
    def __init__(self, options):
        self.options = options

    def run(self, command: list[str], threads: int) -> list[dict]:
        def prepare():
            if threads == 1:
                os.sched_setaffinity(0, {self.options.cpu})
            if self.options.nice:
                os.nice(self.options.nice)

        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=prepare)
        if done.returncode != 0:
            sys.exit(f"{shlex.join(command)}\n{done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def ours(self, shape: str, kind: str, threads: int) -> list[dict]:
        path, layers, _ = read_config(self.options.shapes[shape])
        o = self.options
        results = self.run([o.moe_bench, "-m", path, "--layers", str(layers), *TYPES[kind][0], "-p", o.prompt, "-n", o.generate,
                            "-d", o.depth, "-t", str(threads), "-r", str(o.repetitions), "-o", "json", *shlex.split(o.moe_flags)], threads)
        return [{"program": "moe-bench", "n_prompt": r["n_prompt"], "n_gen": r["n_gen"], "n_depth": r["n_depth"],
                 "ts": [(r["n_prompt"] + r["n_gen"]) / s for s in r["seconds"]], "limits_of_runs": r["limits_of_runs"],
                 "products": r["products"], "kernels": r["kernels"],
                 "processor": r["processor"], "layer_flops": layer_flops(r), "components": r["components"],
                 "bytes": r["cost"]["weight_bytes"] + r["cost"]["kv_bytes"]} for r in results]

    def peer(self, name: str, shape: str, kind: str, threads: int) -> list[dict]:
        o = self.options
        _, layers, config = read_config(o.shapes[shape])
        _, gguf, bits = TYPES[kind]
        file = o.ggufs[shape].replace("{type}", gguf)
        command = [*shlex.split(o.peers[name]), "-m", file, "-t", str(threads), "-r", str(o.repetitions), "-o", "json"]
        if o.depth != "0" and not self.knows_depth(command[0]):
            return self.from_depth_zero(
                name, command, threads, lambda size: active_bytes(size, config, layers, bits))
        results = self.run([*command, "-p", o.prompt, "-n", o.generate, *(["-d", o.depth] if o.depth != "0" else [])], threads)
        return [{"program": name, "n_prompt": r["n_prompt"], "n_gen": r["n_gen"], "n_depth": r.get("n_depth", 0),
                 "ts": r["samples_ts"], "bytes": active_bytes(r["model_size"], config, layers, bits) * r["n_gen"]}
                for r in results]

    @functools.cache
    def knows_depth(self, program: str) -> bool:
        return "--n-depth" in subprocess.run([program, "--help"], capture_output=True, text=True).stdout

    def from_depth_zero(self, name: str, command: list[str], threads: int, model_bytes) -> list[dict]:
        """A program that cannot start at a depth reads it as well: the rate of the whole prompt, which flatters it."""
        o = self.options
        depth, prompt, generate = int(o.depth), int(o.prompt), int(o.generate)
        read = depth + prompt if prompt else 0
        tests = self.run([*command, "-w", "0", "-p", str(read), "-n", "0", "-gp", f"{depth},{generate}"], threads)
        return [{"program": name, "n_prompt": 0 if r["n_gen"] else prompt, "n_gen": r["n_gen"], "n_depth": depth,
                 "ts": r["samples_ts"], "bytes": model_bytes(r["model_size"]) * r["n_gen"]} for r in tests]


def layer_flops(result: dict) -> int:
    parts = ("attn_proj", "router", "experts", "shared_expert", "dense_mlp", "per_layer_embedding")
    return sum(result["cost"]["components"].get(p, {}).get("class_a", 0) for p in parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moe-bench", required=True)
    parser.add_argument("--moe-flags", default="", help="more flags for moe-bench")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--shape", action="append", required=True, metavar="NAME=CONFIG[:LAYERS]")
    parser.add_argument("--gguf", action="append", default=[], metavar="NAME=FILE", help="{type} stands for bf16, q8_0, q4_0")
    parser.add_argument("--types", default="bf16,q8,q4")
    parser.add_argument("--threads", default="1")
    parser.add_argument("-p", dest="prompt", default="512")
    parser.add_argument("-n", dest="generate", default="32")
    parser.add_argument("-d", dest="depth", default="0")
    parser.add_argument("-r", dest="repetitions", type=int, default=2, help="in each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--cpu", type=int, default=min(os.sched_getaffinity(0)))
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    options.shapes, options.ggufs, options.peers = map(split_named, (options.shape, options.gguf, options.peer))

    runner, end = Runner(options), time.monotonic() + 60 * options.minutes
    results: dict[tuple, dict] = {}
    rounds = 0
    for rounds in range(1, options.rounds + 1):
        for threads in map(int, options.threads.split(",")):
            for shape in options.shapes:
                for kind in options.types.split(","):
                    turns = [("moe-bench", lambda: runner.ours(shape, kind, threads))]
                    turns += [(p, lambda p=p: runner.peer(p, shape, kind, threads)) for p in options.peers if shape in options.ggufs]
                    for name, turn in turns:
                        if time.monotonic() > end:
                            break
                        for r in turn():
                            key = (shape, kind, threads, name, r["n_prompt"], r["n_gen"], r["n_depth"])
                            merge(results, key, r)
                            print(*key, f"{sorted(results[key]['ts'])[len(results[key]['ts']) // 2]:.2f} t/s", file=sys.stderr)
    rows = [{"shape": k[0], "type": k[1], "threads": k[2], **v} for k, v in results.items()]
    pathlib.Path(options.out).write_text(json.dumps(
        {"date": time.strftime("%Y-%m-%d"), "rounds": rounds, "repetitions": options.repetitions, "results": rows}, indent=1) + "\n")


def merge(results: dict, key: tuple, new: dict):
    """Samples add up, and the limits beside them; of one turn's breakdown the fastest is kept."""
    old = results.get(key)
    if old is None:
        results[key] = new
        return
    if "limits_of_runs" in new:
        if max(new["ts"]) > max(old["ts"]):
            old["components"] = new["components"]
        old["limits_of_runs"] += new["limits_of_runs"]
    old["ts"] += new["ts"]


if __name__ == "__main__":
    main()
