#!/usr/bin/env python3
"""Writes engine/text/unicode_tables_*.cpp: what the `tokenizers` library holds of each code point.

The library mixes several Unicode versions (its regex engine, its standard library and its normalisation tables are
of different years), so every class is read off the library itself, by asking it about every code point.

    pip install tokenizers        (with Python 3.11, whose own tables are Unicode 14: see `newer` below)
    python make_unicode_tables.py ../../engine/text
"""
import sys
import unicodedata
from pathlib import Path

from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
EVERYTHING = "".join(map(chr, CODE_POINTS))
CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cs").split()


def regex_class(pattern):
    left = normalizers.Replace(Regex(pattern), "").normalize_str(EVERYTHING)
    return set(CODE_POINTS) - set(map(ord, left))


def isolated(pre_tokenizer):
    pieces = pre_tokenizer.pre_tokenize_str("a".join(map(chr, CODE_POINTS)))
    return {ord(t) for t, _ in pieces if len(t) == 1 and t != "a"}


def removed(normalizer):
    return {c for c in CODE_POINTS if normalizer.normalize_str(chr(c)) == ""}


def rust_word(spaces):
    text = " ".join("a" + chr(c) + "a" for c in CODE_POINTS if c not in spaces)
    return {ord(t[1]) for t, _ in pre_tokenizers.Whitespace().pre_tokenize_str(text) if len(t) == 3}


def reordered():
    """Code points whose canonical combining class is not 0: they change places with a mark of another class."""
    nfd = normalizers.NFD()
    found = set()
    for c in CODE_POINTS:
        if c < 0x300:
            continue
        ch = chr(c)
        # U+0334 has class 1, U+0345 class 240, U+0315 class 232, U+05B0 class 10
        for before, after in (("", "\u0334"), ("\u0345", ""), ("", "\u05b0"), ("\u0315", "")):
            text = "a" + before + ch + after
            plain = "a" + before + nfd.normalize_str(ch) + after
            if nfd.normalize_str(text) != plain:
                found.add(c)
                break
    return found


def composes_as_second(active):
    nfc = normalizers.NFC()
    return {c for c in active if nfc.normalize_str(chr(c)) != chr(c)}


def ranges(points):
    out, points = [], sorted(points)
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def emit_ranges(file, name, points):
    file.write(f"const CodeRange {name}[] = {{\n")
    line = "   "
    for a, b in ranges(points):
        item = f" {{0x{a:x}, 0x{b:x}}},"
        if len(line) + len(item) > 110:
            file.write(line + "\n")
            line = "   "
        line += item
    file.write(line + f"}};\nconst std::size_t {name}_count = std::size({name});\n\n")


HEADER = """// {purpose}
// Written by tests/golden/make_unicode_tables.py; do not edit by hand.
#include "engine/text/unicode_tables.h"

#include <iterator>

namespace moe::unicode_tables {{
// clang-format off

"""


def main():
    out = Path(sys.argv[1])
    category = [0] * 0x110000
    for code, name in enumerate(CATEGORIES[1:-1], 1):
        for c in regex_class(rf"\p{{{name}}}"):
            category[c] = code
    for c in range(0xD800, 0xE000):
        category[c] = CATEGORIES.index("Cs")

    def in_categories(names):
        codes = [i for i, n in enumerate(CATEGORIES) if any(n.startswith(x) for x in names.split())]
        return {c for c in CODE_POINTS if category[c] in codes}

    with open(out / "unicode_tables_category.cpp", "w") as f:
        f.write(HEADER.format(purpose="General category of every code point: where each run starts, packed as start << 8 | category."))
        f.write("const std::uint32_t category_runs[] = {\n")
        line, last = "   ", -1
        for c in range(0x110000):
            if category[c] != last:
                last = category[c]
                item = f" 0x{c << 8 | last:x},"
                if len(line) + len(item) > 110:
                    f.write(line + "\n")
                    line = "   "
                line += item
        f.write(line + "};\nconst std::size_t category_runs_count = std::size(category_runs);\n\n")
        f.write("}  // namespace moe::unicode_tables\n")

    spaces = regex_class(r"\s")
    assert spaces == regex_class(r"[[:space:]]")
    with open(out / "unicode_tables_classes.cpp", "w") as f:
        f.write(HEADER.format(purpose="Classes of code points that are not unions of general categories, as ranges."))
        emit_ranges(f, "white_space", spaces)
        # What \w holds beyond L, M, Nd and Pc.
        emit_ranges(f, "regex_word_extra", regex_class(r"\w") - in_categories("L M Nd Pc"))
        emit_ranges(f, "rust_word", rust_word(spaces))
        emit_ranges(f, "numeric", isolated(pre_tokenizers.Digits(True)))
        emit_ranges(f, "punctuation", isolated(pre_tokenizers.Punctuation("isolated")))
        emit_ranges(f, "combining_mark", removed(normalizers.StripAccents()))
        bert = dict(handle_chinese_chars=False, lowercase=False)
        emit_ranges(f, "bert_control", removed(normalizers.BertNormalizer(clean_text=True, strip_accents=False, **bert)))
        emit_ranges(f, "bert_nonspacing",
                    removed(normalizers.BertNormalizer(clean_text=False, strip_accents=True, **bert)))
        nfkd, nfd = normalizers.NFKD(), normalizers.NFD()
        # Code points whose decomposition or combining class the library knows; all others are inert in it.
        emit_ranges(f, "canonical_decomposition", {c for c in CODE_POINTS if nfd.normalize_str(chr(c)) != chr(c)})
        emit_ranges(f, "compatibility_decomposition", {c for c in CODE_POINTS if nfkd.normalize_str(chr(c)) != chr(c)})
        emit_ranges(f, "combining_class", reordered())
        # Assigned (or given another category) after Unicode 14, the oldest PCRE2 that is supported.
        assert unicodedata.unidata_version == "14.0.0"
        emit_ranges(f, "newer", {c for c in CODE_POINTS if CATEGORIES[category[c]] != unicodedata.category(chr(c))})
        f.write("}  // namespace moe::unicode_tables\n")

    lower, runs, odd = normalizers.Lowercase(), [], []
    for c in CODE_POINTS[1:]:
        text = lower.normalize_str(chr(c))
        if text == chr(c):
            continue
        if len(text) > 1:
            odd.append((c, text))
            continue
        delta = ord(text) - c
        for run in runs[-2:]:
            step = c - run[1]
            if run[3] == delta and (step == run[2] or run[0] == run[1]) and step in (1, 2):
                run[1], run[2] = c, step
                break
        else:
            runs.append([c, c, 1, delta])
    assert [c for c, _ in odd] == [0x130], odd
    with open(out / "unicode_tables_lower.cpp", "w") as f:
        f.write(HEADER.format(purpose="Lower case: runs of first, last, step, and what to add. U+0130 is done in code."))
        f.write("const LowerRun lower_runs[] = {\n")
        line = "   "
        for a, b, step, delta in runs:
            item = f" {{0x{a:x}, 0x{b:x}, {step}, {delta}}},"
            if len(line) + len(item) > 110:
                f.write(line + "\n")
                line = "   "
            line += item
        f.write(line + "};\nconst std::size_t lower_runs_count = std::size(lower_runs);\n\n}  // namespace moe::unicode_tables\n")


main()
