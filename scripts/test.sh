#!/usr/bin/env bash
# Sets up and runs all tests: the rules of the tree, then a release build with every test. Ends with ctest's summary.
# Usage: scripts/test.sh [PRESET]; with asan or tsan the same tests run under sanitizers.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh --tests
python3 scripts/check_tree.py

export CTEST_OUTPUT_ON_FAILURE=1
preset=${1:-release}
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
exec ctest --test-dir "build/$preset" -j "$(nproc)"
