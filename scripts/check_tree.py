#!/usr/bin/env python3
"""Checks rules that a compiler does not: who may include whom, and how long a file may be.

Folders form one chain, tools -> eval -> models -> engine -> kernels; a file includes its own folder and those to the
right. Tests and benchmarks may include everything. Usage: scripts/check_tree.py [root]
"""
import pathlib
import re
import sys

CHAIN = ["tools", "eval", "models", "engine", "kernels"]
MAX_LINES = 600
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def faults(root: pathlib.Path):
    for folder in CHAIN + ["tests", "benchmarks", "scripts"]:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in {".h", ".cpp", ".py"}:
                continue
            text = path.read_text(encoding="utf-8")
            name = path.relative_to(root)
            lines = text.count("\n")
            if lines > MAX_LINES:
                yield f"{name}: {lines} lines, at most {MAX_LINES} are allowed: split it along the ideas in it"
            if folder not in CHAIN:
                continue
            allowed = CHAIN[CHAIN.index(folder):]
            for included in INCLUDE.findall(text):
                top = included.split("/")[0]
                if "/" not in included:
                    yield f'{name}: includes "{included}": write the path from the root'
                elif top in CHAIN and top not in allowed:
                    yield f'{name}: includes "{included}": {folder}/ may include only {", ".join(allowed)}'
                elif top not in CHAIN:
                    yield f'{name}: includes "{included}": quotes are for the project\'s own headers'


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    found = list(faults(root))
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        print("include rule and file lengths: in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
