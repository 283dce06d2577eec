#!/usr/bin/env bash
# Makes a Debian 12 machine ready to build: installs the packages the project needs where it may, and says which
# are missing where it may not. Usage: scripts/setup.sh [--tests]
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(g++ cmake ninja-build pkg-config git ca-certificates
  libopenblas-openmp-dev libeigen3-dev libgomp1 nlohmann-json3-dev zlib1g-dev libcli11-dev libfmt-dev libpcre2-dev
  libutf8proc-dev libboost-dev libboost-math-dev libbenchmark-dev libgtest-dev libgmock-dev libsimde-dev
  python3 python3-pip)
[ "${1:-}" = --tests ] && packages+=(clang-14 libclang-rt-14-dev)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo)
else
  echo "setup: these packages are missing, and this user may not install them:" >&2
  echo "  ${missing[*]}" >&2
  echo "setup: ask an administrator to run: apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "setup: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
