"""Pairs of sets, intervals, unions, tuples, matrices and equations for math_pairs.py, judged by sympy's own objects."""
import sympy as sp
from sympy import FiniteSet, Interval, Matrix, Rational, Union, oo


def real(rng, constant):
    while True:
        value = constant(rng)
        if value.is_real:
            return value


def end(rng):
    return rng.choice([Rational(rng.randint(-20, 20), rng.choice([1, 1, 2, 3])), sp.sqrt(rng.randint(2, 11)) * rng.choice([1, -1])])


def interval(rng):
    low, high = sorted([end(rng), end(rng)], key=lambda v: sp.N(v, 30))
    if low == high:
        high = low + 1
    if rng.random() < .2:
        return Interval(-oo, high, True, rng.random() < .5)
    if rng.random() < .2:
        return Interval(low, oo, rng.random() < .5, True)
    return Interval(low, high, rng.random() < .5, rng.random() < .5)


def write_interval(part, rng, dress):
    open_, close = "(" if part.left_open else "[", ")" if part.right_open else "]"
    low, high = (dress(sp.latex(v), rng).strip("$") for v in (part.start, part.end))
    if rng.random() < .2 and part.start == -oo:
        return f"x {'<' if part.right_open else chr(92) + 'le'} {high}"
    if rng.random() < .2 and part.end == oo:
        return f"x {'>' if part.left_open else chr(92) + 'ge'} {low}"
    if rng.random() < .3 and part.start != -oo and part.end != oo:
        return f"{low} {'<' if part.left_open else chr(92) + 'leq'} x {'<' if part.right_open else chr(92) + 'le'} {high}"
    left, right = (r"\left" + open_, r"\right" + close) if rng.random() < .5 else (open_, close)
    return f"{left}{low}, {high}{right}"


def plain_interval(part, rng, dress):
    while True:
        text = write_interval(part, rng, dress)
        if "x" not in text:
            return text


def intervals(rng, dress, out):
    for _ in range(120):
        one = interval(rng)
        other = one
        if rng.random() < .5:
            other = rng.choice([lambda: Interval(one.start, one.end, not one.left_open, one.right_open), lambda: interval(rng)])()
        out.append((write_interval(one, rng, dress), write_interval(other, rng, dress), one == other))
    for _ in range(70):
        parts = [interval(rng) for _ in range(rng.randint(2, 3))]
        others = list(parts)
        rng.shuffle(others)
        if rng.random() < .4:
            others[0] = interval(rng)
        texts = [r" \cup ".join(plain_interval(p, rng, dress) for p in side) for side in (parts, others)]
        out.append((*texts, sp.simplify(Union(*parts)) == sp.simplify(Union(*others))))


def lists(rng, constant, dress, rewrite, equal, out):
    for _ in range(110):
        members = [constant(rng) for _ in range(rng.randint(2, 4))]
        others = [rewrite(m, rng) for m in members]
        rng.shuffle(others)
        if rng.random() < .5:
            others[0] = others[0] + rng.choice([1, Rational(1, 7)])
        verdicts = [[equal(m, o) for o in others] for m in members]
        flat = [v for row in verdicts for v in row]
        if None in flat:
            continue
        same = all(any(row) for row in verdicts) and all(any(row[i] for row in verdicts) for i in range(len(others)))
        texts = [", ".join(dress(sp.latex(m), rng).strip("$") for m in side) for side in (members, others)]
        if rng.random() < .5:
            texts = [r"\{" + text + r"\}" for text in texts]
        out.append((*texts, same))


def tuples(rng, constant, dress, rewrite, equal, out):
    for _ in range(110):
        members = [constant(rng) for _ in range(rng.randint(2, 3))]
        others = [rewrite(m, rng) for m in members]
        if rng.random() < .3:
            others.reverse()
        elif rng.random() < .3:
            others[-1] = others[-1] + 1
        verdicts = [equal(m, o) for m, o in zip(members, others)]
        if None in verdicts:
            continue
        texts = ["(" + ", ".join(dress(sp.latex(m), rng).strip("$") for m in side) + ")" for side in (members, others)]
        out.append((*texts, all(verdicts)))


def write_matrix(matrix, rng, dress):
    kind = rng.choice(["pmatrix", "bmatrix", "pmatrix"])
    rows = [" & ".join(dress(sp.latex(v), rng).strip("$") for v in matrix.row(i)) for i in range(matrix.rows)]
    return rf"\begin{{{kind}}} " + r" \\ ".join(rows) + rf" \end{{{kind}}}"


def matrices(rng, dress, out):
    for _ in range(70):
        rows, columns = rng.randint(1, 3), rng.randint(1, 3)
        matrix = Matrix(rows, columns, lambda i, j: end(rng))
        other = Matrix(matrix)
        if rng.random() < .25:
            other = matrix.T
        elif rng.random() < .4:
            other[rng.randrange(rows), rng.randrange(columns)] += 1
        text = write_matrix(other, rng, dress)
        if rng.random() < .2:
            scaled = (other * 2).applyfunc(sp.expand)
            text = r"\frac{1}{2} " + write_matrix(scaled, rng, dress)
        out.append((write_matrix(matrix, rng, dress), text, matrix.shape == other.shape and sp.simplify(matrix - other).is_zero_matrix))


def equations(rng, dress, out):
    x, y = sp.symbols("x y")
    for _ in range(60):
        slope, offset = Rational(rng.randint(-9, 9), rng.choice([1, 2, 3])), rng.randint(-9, 9)
        line = slope * x + offset
        factor = rng.choice([1, -1, 2, 3, 6])
        moved = sp.expand(factor * (line - y))
        if rng.random() < .4:
            moved += rng.choice([1, x])
        solved = sp.solve(moved, y)
        out.append((f"y = {dress(sp.latex(line), rng).strip('$')}", f"{sp.latex(moved)} = 0", bool(solved) and sp.expand(solved[0] - line) == 0))


def object_pairs(rng, constant, dress, rewrite, equal):
    out = []
    intervals(rng, dress, out)
    lists(rng, constant, dress, rewrite, equal, out)
    tuples(rng, constant, dress, rewrite, equal, out)
    matrices(rng, dress, out)
    equations(rng, dress, out)
    return [(left, right, bool(verdict)) for left, right, verdict in out if left != right and len(left) < 200 and len(right) < 200]
