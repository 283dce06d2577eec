#!/usr/bin/env python3
"""Writes the seeds of fuzz_packed: packed files without their first page, hashes left for the target to set.

    make_packed_seeds.py tests/fuzz/corpus/packed
"""
import pathlib
import re
import struct
import sys

PAGE = 4096
MAGIC = 0x6B6361706D656F6D
VECTOR = 0xFFFFFFFF
HEADER = pathlib.Path(__file__).parents[2] / "kernels/packed_matrix.h"
LAYOUT = int(re.search(r"kPackedLayoutVersion = (\d+);", HEADER.read_text())[1])
BF16, Q8, Q4 = 2, 3, 4


def record(kind: int, order: int, rows: int, cols: int, offset: int, size: int) -> bytes:
    return struct.pack("<2QIIqqQQ2Q", 1, 2, kind, order, rows, cols, offset, size, 0, 0)


def seed(data: int, records: list[bytes], layout: int = LAYOUT, format_: int = 1, count: int | None = None,
         directory: int | None = None) -> bytes:
    directory = PAGE + data if directory is None else directory
    footer = struct.pack("<QII2QQQ", MAGIC, format_, layout, 1, 2, directory, len(records) if count is None else count)
    return bytes(data) + b"".join(records) + footer + bytes(32)


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    matrix = record(BF16, 0, 17, 5, PAGE, 2 * 6 * 16 * 2)
    seeds = {
        "empty": seed(0, []),
        "matrix": seed(448, [matrix]),
        "vector": seed(64, [record(VECTOR, 0, 3, 0, PAGE, 12)]),
        "both": seed(512, [matrix, record(VECTOR, 0, 3, 0, PAGE + 384, 12)]),
        "gate_up": seed(448, [record(BF16, 1, 4, 5, PAGE, 2 * 6 * 16 * 2)]),
        "q8": seed(1088, [record(Q8, 0, 3, 9, PAGE, 64 + 512)]),
        "q4": seed(640, [record(Q4, 0, 3, 40, PAGE, 64 + 512)]),
        "overlap": seed(448, [matrix, matrix]),
        "beyond": seed(64, [matrix]),
        "negative": seed(448, [record(BF16, 0, -1, 5, PAGE, 384)]),
        "huge": seed(448, [record(BF16, 0, 1 << 47, 1 << 60, PAGE, 384)]),
        "no_columns": seed(0, [record(BF16, 0, 1 << 40, 0, PAGE, 0)]),
        "odd_gate_up": seed(448, [record(BF16, 1, 3, 5, PAGE, 384)]),
        "count": seed(448, [matrix], count=1 << 60),
        "directory": seed(448, [matrix], directory=1 << 63),
        "layout": seed(448, [matrix], layout=LAYOUT + 1),
        "format": seed(448, [matrix], format_=9),
    }
    for name, data in seeds.items():
        (out / name).write_bytes(data)


main()
