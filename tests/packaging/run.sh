#!/usr/bin/env bash
# Installs the build into an empty folder and builds a small program against it, by CMake and by pkg-config.
# Usage: run.sh BUILD_DIR SOURCE_DIR MODEL_DIR
set -euo pipefail
build=$1 source=$2 model=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/usr" >/dev/null
for program in moe-run; do
  "$work/usr/bin/$program" --version >/dev/null
done
cmake -G Ninja -S "$source/tests/packaging/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/usr" >/dev/null
cmake --build "$work/build" >/dev/null
"$work/build/consumer" "$model"
export PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name moe.pc)")
# shellcheck disable=SC2046
"${CXX:-c++}" "$source/tests/packaging/consumer/main.cpp" -o "$work/by-pkg-config" $(pkg-config --define-variable=prefix="$work/usr" --cflags --libs moe)
"$work/by-pkg-config" "$model"
