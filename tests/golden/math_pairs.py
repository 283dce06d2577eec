"""Pairs of answers in LaTeX with sympy's verdict on whether they are equal.

    pip install sympy antlr4-python3-runtime==4.11
    python math_pairs.py [--math MATH_TEST.jsonl] > ../eval/grade/math_pairs.json

The pairs are made here from expressions of our own: each is written in several ways, rewritten by sympy (expand,
factor, radsimp, together), or changed in one place. With --math (Hendrycks MATH, one object with "solution" a line)
short final answers that sympy's LaTeX parser reads are added beside sympy's rewriting of them and beside each other.
"""
import argparse
import json
import random
import re
import sys

import sympy as sp
from sympy import I, Rational, oo, pi, sqrt

from math_pairs_objects import object_pairs

x, y, z, a, b, t = sp.symbols("x y z a b t")


def dress(text, rng):
    """The same formula as other hands would type it."""
    for old, new, chance in ((r"\frac", r"\dfrac", .2), (r"\frac", r"\tfrac", .1), (r"\left(", "(", .6),
                             (r"\right)", ")", 1), (r" \cdot ", r"\cdot ", .3), (r" \cdot ", r" \times ", .1)):
        if rng.random() < chance:
            text = text.replace(old, new)
    if (r"\left(" in text) != (r"\right)" in text):
        text = text.replace(r"\left(", "(").replace(r"\right)", ")")
    if rng.random() < .3:
        text = re.sub(r"\\frac\{(\d)\}\{(\d)\}", r"\\frac\1\2", text)
    if rng.random() < .3:
        text = re.sub(r"\\sqrt\{(\d)\}", r"\\sqrt\1", text)
    if rng.random() < .3:
        text = text.replace(" ", "", ) if not re.search(r"\\[a-zA-Z]+ [a-zA-Z]", text) else text
    if rng.random() < .15:
        text = "$" + text + "$"
    return text


def rational(rng, big=30):
    return Rational(rng.randint(-big, big), rng.choice([1, 1, 2, 3, 4, 5, 6, 7, 9, 12]))


def surd(rng):
    return rational(rng, 9) + rng.choice([1, -1, 2, Rational(1, 2), 3]) * sqrt(rng.choice([2, 3, 5, 6, 7, 8, 12, 18, 50]))


def constant(rng):
    kind = rng.randrange(9)
    if kind == 0:
        return rational(rng, 400)
    if kind == 1:
        return surd(rng)
    if kind == 2:
        return rational(rng) * pi + rng.choice([0, rational(rng)])
    if kind == 3:
        return surd(rng) / surd(rng) if rng.random() < .5 else surd(rng) * surd(rng)
    if kind == 4:
        return rational(rng, 9) + rational(rng, 9) * I
    if kind == 5:
        return rng.choice([sp.sin, sp.cos, sp.tan])(rng.choice([pi / 12, pi / 5, pi / 8, pi / 7, pi / 6])) * rng.randint(1, 4)
    if kind == 6:
        return sp.cbrt(rng.choice([2, 3, 4, 5, 16, 54])) * rational(rng, 5) + rng.randint(-3, 3)
    if kind == 7:
        return sp.log(rng.randint(2, 12)) * rng.choice([1, 2, 3]) - sp.log(rng.randint(2, 9))
    return sqrt(surd(rng) ** 2 + 1) if rng.random() < .5 else sqrt(rng.randint(5, 9) + 2 * sqrt(rng.randint(2, 6)))


def polynomial(rng):
    names = rng.choice([(x,), (x,), (x, y), (t,), (a, b)])
    out = 0
    for _ in range(rng.randint(2, 4)):
        term = sp.Integer(rng.choice([-5, -4, -3, -2, -1, 1, 2, 3, 4, 7]))
        for name in names:
            term *= name ** rng.randint(0, 3)
        out += term
    return out + rng.randint(1, 9) * names[0]


def with_names(rng):
    kind = rng.randrange(6)
    if kind == 0:
        return polynomial(rng)
    if kind == 1:
        return sp.expand((x + rng.randint(-5, 5)) * (rng.randint(1, 4) * x + rng.randint(1, 6)))
    if kind == 2:
        return polynomial(rng) / (x + rng.randint(1, 5))
    if kind == 3:
        return rational(rng, 9) * x ** 2 + sqrt(rng.randint(2, 7)) * x - pi
    if kind == 4:
        return sp.sin(rng.randint(1, 3) * x) + rng.randint(1, 4) * sp.cos(x)
    return sp.Integer(rng.randint(2, 5)) ** x + rng.randint(1, 5)


def rewrite(expr, rng):
    ways = [sp.expand, sp.factor, sp.together, sp.radsimp, sp.nsimplify, sp.expand_trig, sp.simplify, sp.sqrtdenest]
    rng.shuffle(ways)
    for way in ways:
        try:
            other = way(expr)
        except Exception:  # some of them do not take some expressions
            continue
        if sp.latex(other) != sp.latex(expr):
            return other
    return expr


def change(expr, rng):
    return rng.choice([lambda e: e + Rational(1, rng.randint(1, 9)), lambda e: -e, lambda e: e * 2,
                       lambda e: e + Rational(1, 10 ** 6), lambda e: sp.conjugate(e) + I if e.has(I) else e - 1])(expr)


def sympy_equal(left, right):
    """True, False, or None where sympy cannot tell. What differs by more than rounding needs no simplification."""
    try:
        gap = left - right
        names = sorted(gap.free_symbols, key=str)
        for k in range(3 if names else 1):
            rng = random.Random(k)
            value = abs(sp.N(gap.subs({s: Rational(rng.randint(3, 40), 7) for s in names}), 40))
            if value > 1e-25:
                return False
        return True if sp.simplify(sp.expand(gap)) == 0 or gap.equals(0) else None
    except Exception:
        return None


def scalar_pairs(rng, count, make):
    out = []
    while len(out) < count:
        try:
            left = make(rng)
            right = rewrite(left, rng) if rng.random() < .6 else change(left, rng)
        except Exception:
            continue
        if left.has(sp.nan, sp.zoo, oo) or right.has(sp.nan, sp.zoo, oo):
            continue
        verdict = sympy_equal(left, right)
        texts = dress(sp.latex(left), rng), dress(sp.latex(right), rng)
        if verdict is None or max(map(len, texts)) > 160 or texts[0] == texts[1]:
            continue
        out.append((*texts, verdict))
    return out


def number_pairs(rng):
    """Decimals, separators, fractions and mixed numbers as people type them."""
    out = []
    for _ in range(90):
        whole, top, bottom = rng.randint(1, 60), rng.randint(1, 8), rng.randint(2, 9)
        value = Rational(top, bottom) + whole
        if top < bottom:
            mixed = rng.choice([rf"{whole}\frac{{{top}}}{{{bottom}}}", rf"{whole} \frac{top}{bottom}", f"{whole} {top}/{bottom}"])
            other = value if rng.random() < .6 else Rational(whole * top, bottom)
            out.append((mixed, rng.choice([f"{other.p}/{other.q}", rf"\frac{{{other.p}}}{{{other.q}}}"]), value == other))
        big = rng.randint(1000, 9_999_999)
        grouped = f"{big:,}"
        other = big if rng.random() < .6 else big + rng.choice([1, 10, -1000])
        text = rng.choice([grouped, grouped.replace(",", "{,}"), grouped.replace(",", r",\!"), rf"\${grouped}"])
        out.append((text, rng.choice([str(other), f"{other}.0", f"{other}.00"]), big == other))
        cents = rng.randint(1, 9999)
        near = Rational(cents, 1000) + (0 if rng.random() < .5 else Rational(1, 10 ** rng.randint(4, 30)))
        out.append((f"{cents / 1000:.3f}".lstrip("0"), rf"\frac{{{near.p}}}{{{near.q}}}", near == Rational(cents, 1000)))
    return out


def math_answers(path, rng):
    from sympy.parsing.latex import parse_latex

    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            match = re.findall(r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}", json.loads(line)["solution"])
            if not match or len(match[-1]) > 40 or re.fullmatch(r"-?\d+", match[-1]):
                continue
            text = match[-1]
            # What that parser misreads: lists, units, e and i as letters, mixed numbers, \sqrt and \frac without braces.
            if re.search(r"[,;:=<>|!e]|text|mbox|pm|begin|circ|\\%|\\\$|\d ?\\d?t?frac|frac[ \d]|sqrt[ \d]|i(?![a-z])|[a-z]\(|_|\.\d*[a-z]", text):
                continue
            try:
                parsed = parse_latex(text).doit()
                if parsed.has(sp.Eq, oo, sp.zoo, sp.nan):
                    continue
            except Exception:
                continue
            found[text] = parsed
    items = sorted(found.items())
    rng.shuffle(items)
    out = []
    for i, (text, parsed) in enumerate(items[:220]):
        other = rewrite(parsed, rng)
        if sp.latex(other) != text and sympy_equal(parsed, other):
            out.append((text, dress(sp.latex(other), rng), True))
        neighbour, value = items[(i * 7 + 1) % len(items)]
        verdict = sympy_equal(parsed, value)
        if verdict is not None and neighbour != text:
            out.append((text, neighbour, verdict))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--math")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    pairs = number_pairs(rng) + scalar_pairs(rng, 360, constant) + scalar_pairs(rng, 220, with_names)
    pairs += object_pairs(rng, constant, dress, rewrite, sympy_equal)
    if args.math:
        pairs += math_answers(args.math, rng)
    unique = {(left, right): verdict for left, right, verdict in pairs}
    rows = [json.dumps([left, right, verdict], ensure_ascii=False) for (left, right), verdict in unique.items()]
    sys.stdout.write("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
