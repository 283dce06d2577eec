#!/usr/bin/env python3
"""Tables (Markdown, on stdout) and charts (SVG files) of compare_peers.py's results.

    performance_report.py performance.json --charts docs/charts
"""
import argparse
import html
import json
import pathlib
import statistics

COLOURS = ["#1b6ca8", "#8fb8d8", "#d98f3e", "#8a9a5b", "#a86b9d"]
PARTS = {"attn_proj": "attention products", "attn_core": "attention", "router": "router", "experts": "experts",
         "shared_expert": "shared expert", "dense_mlp": "MLP", "per_layer_embedding": "per-layer embedding", "norm": "norms",
         "elementwise": "rotation, cache, sums", "lm_head": "head", "embedding": "embedding"}


def test_name(r: dict) -> str:
    name = f"prefill {r['n_prompt']}" if r["n_prompt"] else f"decode {r['n_gen']}"
    return name + (f" at {r['n_depth']}" if r["n_depth"] else "")


def grouped(results: list[dict]) -> dict:
    """(shape, threads, test) -> type -> program -> result, in the order of the file."""
    groups: dict = {}
    for r in results:
        groups.setdefault((r["shape"], r["threads"], test_name(r)), {}).setdefault(r["type"], {})[r["program"]] = r
    return groups


def median(r: dict) -> float:
    return statistics.median(r["ts"])


def limit(r: dict, name: str) -> float:
    return statistics.median(run[name] for run in r["limits_of_runs"])


def fraction(r: dict, ours: dict) -> float:
    """Of the peak (prefill: the layers' products) or of the bandwidth (decode), both measured by moe-bench: the median
    over its own runs, each beside its own limits; a peer's median beside the median of the limits."""
    name = ours["products"] if r["n_prompt"] else "read_bandwidth"
    work = ours["layer_flops"] / r["n_prompt"] if r["n_prompt"] else r["bytes"] / r["n_gen"]
    if r is ours:
        return statistics.median(work * ts / run[name] for ts, run in zip(r["ts"], r["limits_of_runs"]))
    return work * median(r) / limit(ours, name)


def table(results: list[dict]) -> str:
    programs = list(dict.fromkeys(r["program"] for r in results))
    lines = ["| shape | threads | test | type | " + " | ".join(programs) + " | to the best peer |",
             "|---|---:|---|---|" + "---:|" * (len(programs) + 1)]
    for (shape, threads, test), types in grouped(results).items():
        for kind, by_program in types.items():
            ours = by_program.get("moe-bench")
            cells = []
            for program in programs:
                r = by_program.get(program)
                cells.append("–" if r is None else f"{median(r):.1f} ({fraction(r, ours):.2f})" if ours else f"{median(r):.1f}")
            peers = [median(r) for p, r in by_program.items() if p != "moe-bench"]
            ratio = f"{median(ours) / max(peers):.2f}" if ours and peers else "–"
            lines.append(f"| {shape} | {threads} | {test} | {kind} | " + " | ".join(cells) + f" | {ratio} |")
    return "\n".join(lines)


def limits_table(results: list[dict]) -> str:
    seen: dict = {}
    for r in results:
        seen.setdefault(r["threads"], []).extend(r["limits_of_runs"])
    medians = {threads: {n: statistics.median(run[n] for run in runs) for n in runs[0]} for threads, runs in seen.items()}
    lines = ["| threads | read bandwidth, GB/s | f32, GFLOP/s | bf16, GFLOP/s | int8, GOP/s |", "|---:|---:|---:|---:|---:|"]
    for threads, row in sorted(medians.items()):
        lines.append(f"| {threads} | " + " | ".join(f"{row[n] / 1e9:.1f}" for n in ("read_bandwidth", "f32", "bf16", "int8")) + " |")
    return "\n".join(lines)


class Svg:
    def __init__(self, width: int, height: int):
        self.width, self.height, self.parts = width, height, []

    def rect(self, x, y, w, h, fill):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{h:.1f}" fill="{fill}"/>')

    def text(self, x, y, text, size=11, anchor="start", weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}">'
                          f"{html.escape(text)}</text>")

    def line(self, x1, y1, x2, y2, dash=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#777" stroke-dasharray="{dash}"/>')

    def save(self, path: pathlib.Path):
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
                        f'height="{self.height}" font-family="sans-serif" fill="#222">\n'
                        f'<rect width="{self.width}" height="{self.height}" fill="#fff"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def bars(title: str, types: dict, path: pathlib.Path):
    """Horizontal bars a program, grouped by type; a dashed line where the limit lies."""
    programs = list(dict.fromkeys(p for by_program in types.values() for p in by_program))
    rows = sum(len(b) for b in types.values())
    svg = Svg(720, 60 + 20 * rows + 18 * len(types))
    left, right = 150, 640
    top = max(median(r) for b in types.values() for r in b.values())
    limits = {k: median(b["moe-bench"]) / fraction(b["moe-bench"], b["moe-bench"]) for k, b in types.items() if "moe-bench" in b}
    scale = (right - left) / max(top, *limits.values()) if limits else (right - left) / top
    svg.text(10, 20, title, 14, weight="bold")
    svg.text(right, 20, "tokens/s; dashed: the processor's limit", 10, "end")
    y = 36
    for kind, by_program in types.items():
        begin = y
        svg.text(10, y + 14, kind, 12, weight="bold")
        for program, r in by_program.items():
            svg.text(left - 6, y + 14, program, 11, "end")
            svg.rect(left, y + 3, median(r) * scale, 14, COLOURS[programs.index(program) % len(COLOURS)])
            svg.text(left + median(r) * scale + 5, y + 14, f"{median(r):.1f}", 10)
            y += 20
        if kind in limits:
            svg.line(left + limits[kind] * scale, begin, left + limits[kind] * scale, y, "4 3")
        y += 18
    svg.save(path)


def breakdown(title: str, types: dict, path: pathlib.Path):
    """One stacked bar a type: where moe-bench's time goes."""
    runs = {k: b["moe-bench"]["components"] for k, b in types.items() if "moe-bench" in b}
    if not runs:
        return
    names = [n for n in PARTS if any(n in c for c in runs.values())]
    palette = {n: f"hsl({360 * i // len(names)} 45% {48 + 10 * (i % 3)}%)" for i, n in enumerate(names)}
    svg = Svg(720, 60 + 34 * len(runs) + 18 * ((len(names) + 3) // 4))
    svg.text(10, 20, title, 14, weight="bold")
    y = 34
    for kind, components in runs.items():
        svg.text(10, y + 16, kind, 12, weight="bold")
        x = 70.0
        for name in names:
            width = 630 * components.get(name, {}).get("share", 0)
            svg.rect(x, y, width, 24, palette[name])
            if width > 34:
                svg.text(x + width / 2, y + 16, f"{width / 6.3:.0f} %", 10, "middle")
            x += width
        y += 34
    for i, name in enumerate(names):
        x, at = 10 + 175 * (i % 4), y + 6 + 18 * (i // 4)
        svg.rect(x, at, 11, 11, palette[name])
        svg.text(x + 16, at + 10, PARTS[name], 10)
    svg.save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("--charts", type=pathlib.Path, help="folder for the SVG files")
    options = parser.parse_args()
    data = json.loads(pathlib.Path(options.results).read_text())
    results = data["results"]
    ours = [r for r in results if r["program"] == "moe-bench"]
    samples = min(len(r["ts"]) for r in results)
    print(f"{ours[0]['processor']}, kernels `{ours[0]['kernels']}`, {data['date']}; medians of at least {samples} samples.\n")
    print(limits_table(ours) + "\n\n" + table(results))
    if options.charts:
        options.charts.mkdir(parents=True, exist_ok=True)
        for (shape, threads, test), types in grouped(results).items():
            name = f"{shape}-{test.replace(' ', '-')}-t{threads}"
            title = f"{shape}, {test}, {threads} thread{'s' if threads > 1 else ''}"
            bars(title, types, options.charts / f"{name}.svg")
            breakdown(f"Where moe-bench's time goes: {title}", types, options.charts / f"{name}-parts.svg")


if __name__ == "__main__":
    main()
