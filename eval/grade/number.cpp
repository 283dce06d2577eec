// Arithmetic of Gaussian rationals and complex balls.
#include "eval/grade/number.h"

#include <algorithm>
#include <utility>

namespace moe::eval {
namespace {

namespace mp = boost::multiprecision;

constexpr std::size_t kMostExactBits = 12'000;  // beyond, an exact number becomes a ball

[[noreturn]] void undefined() { throw CannotEvaluate{CannotEvaluate::Why::undefined}; }
[[noreturn]] void out_of_bounds() { throw CannotEvaluate{CannotEvaluate::Why::bound}; }

// Relative rounding of one operation, with room to spare for the library's functions (a few units in the last
// place).
const Real& unit() {
  static const Real value = mp::ldexp(Real(1), -350);
  return value;
}

std::size_t bits(const Rational& value) {
  const auto of = [](const Integer& i) {
    return i == 0 ? 0 : static_cast<std::size_t>(mp::msb(mp::abs(i))) + 1;
  };
  return std::max(of(mp::numerator(value)), of(mp::denominator(value)));
}

std::size_t bits(const Exact& value) { return std::max(bits(value.re), bits(value.im)); }

Real to_real(const Rational& value) { return Real(mp::numerator(value)) / Real(mp::denominator(value)); }

Real magnitude(const Ball& ball) {
  if (ball.im == 0) return mp::abs(ball.re);
  return mp::sqrt(ball.re * ball.re + ball.im * ball.im);
}

Ball rounded(Real re, Real im, Real error, bool real) {
  Ball out{std::move(re), std::move(im), std::move(error), real};
  if (real) out.im = 0;
  out.error += magnitude(out) * unit();
  if (!mp::isfinite(out.re) || !mp::isfinite(out.im) || !mp::isfinite(out.error)) out_of_bounds();
  return out;
}

Ball to_ball(const Exact& value) { return rounded(to_real(value.re), to_real(value.im), 0, value.im == 0); }

Ball to_ball(const Number& value) {
  if (const auto* exact = std::get_if<Exact>(&value)) return to_ball(*exact);
  if (const auto* ball = std::get_if<Ball>(&value)) return *ball;
  undefined();
}

const Exact* exact_of(const Number& value) { return std::get_if<Exact>(&value); }

bool is_exact_real(const Number& value) {
  const Exact* exact = exact_of(value);
  return exact && exact->im == 0;
}

Number settle(Exact value) {
  if (bits(value) > kMostExactBits) return to_ball(value);
  return value;
}

Ball add(const Ball& a, const Ball& b) {
  return rounded(a.re + b.re, a.im + b.im, a.error + b.error + (magnitude(a) + magnitude(b)) * unit(),
                 a.real && b.real);
}

Ball multiply(const Ball& a, const Ball& b) {
  const Real error = magnitude(a) * b.error + magnitude(b) * a.error + a.error * b.error +
                     magnitude(a) * magnitude(b) * unit() * 4;
  return rounded(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re, error, a.real && b.real);
}

Ball inverse(const Ball& a) {
  const Real size = magnitude(a);
  if (size <= a.error * 2) {
    if (size == 0 && a.error == 0) undefined();
    out_of_bounds();
  }
  const Real square = size * size;
  // |1/(a+d) - 1/a| <= |d| / (|a| (|a|-|d|))
  return rounded(a.re / square, -a.im / square, a.error / (size * (size - a.error)) + unit() * 4 / size,
                 a.real);
}

// exp: |exp(z+d) - exp(z)| <= 2 |d| |exp z| for |d| < 1.
Ball exponential(const Ball& z) {
  if (mp::abs(z.re) > 1'000'000 || mp::abs(z.im) > 1'000'000 || z.error > Real(0.5)) out_of_bounds();
  const Real size = mp::exp(z.re);
  // Reducing a large argument loses as many digits as it has.
  const Real error = size * (z.error * 2 + (1 + mp::abs(z.re) + mp::abs(z.im)) * unit() * 8);
  if (z.real) return rounded(size, 0, error, true);
  return rounded(size * mp::cos(z.im), size * mp::sin(z.im), error, false);
}

// log: |log(z+d) - log z| <= 2 |d| / |z| for |d| < |z| / 2, away from the cut along the negative axis.
Ball logarithm(const Ball& z) {
  const Real size = magnitude(z);
  if (size == 0 && z.error == 0) undefined();
  if (size <= z.error * 2) out_of_bounds();
  const Real argument = z.real ? (z.re < 0 ? to_ball(pi_number()).re : Real(0)) : mp::atan2(z.im, z.re);
  if (!z.real && z.re < 0 && mp::abs(z.im) <= z.error) out_of_bounds();
  const Real real_part = mp::log(size);
  return rounded(real_part, argument, z.error * 2 / size + (1 + mp::abs(real_part)) * unit() * 8,
                 z.real && z.re > 0);
}

// The integer r with r^n = value, if there is one; value >= 0, n >= 2.
std::optional<Integer> exact_root(const Integer& value, unsigned n) {
  if (value < 2) return value;
  const std::size_t top = mp::msb(value);
  if (top < n) return std::nullopt;
  Integer guess = Integer(1) << static_cast<unsigned>(top / n + 1);
  for (int step = 0; step < 20'000; ++step) {  // Newton from above falls until it is the floor of the root
    const Integer next = (guess * (n - 1) + value / mp::pow(guess, n - 1)) / n;
    if (next >= guess) break;
    guess = next;
  }
  if (mp::pow(guess, n) != value) return std::nullopt;
  return guess;
}

std::optional<Rational> exact_root(const Rational& value, unsigned n) {
  const auto top = exact_root(Integer(mp::numerator(value)), n);
  const auto bottom = top ? exact_root(Integer(mp::denominator(value)), n) : std::nullopt;
  if (!bottom) return std::nullopt;
  return Rational(*top, *bottom);
}

Exact multiply(const Exact& a, const Exact& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

Exact inverse(const Exact& a) {
  const Rational square = a.re * a.re + a.im * a.im;
  if (square == 0) undefined();
  return {a.re / square, -a.im / square};
}

Number integer_power(const Number& base, long exponent, Budget& budget) {
  const unsigned long count =
      exponent < 0 ? 0UL - static_cast<unsigned long>(exponent) : static_cast<unsigned long>(exponent);
  Number result = make_number(1), factor = base;
  for (unsigned long left = count; left > 0; left >>= 1) {
    if (left & 1) result = multiply(result, factor, budget);
    if (left > 1) factor = multiply(factor, factor, budget);
  }
  return exponent < 0 ? divide(make_number(1), result, budget) : result;
}

}  // namespace

Number make_number(Rational value) { return settle(Exact{std::move(value), 0}); }

Number imaginary_unit() { return Exact{0, 1}; }

Number pi_number() {
  static const Real pi = mp::atan(Real(1)) * 4;
  return Ball{pi, 0, pi * unit(), true};
}

Number add(const Number& a, const Number& b, Budget& budget) {
  const Exact *x = exact_of(a), *y = exact_of(b);
  if (x && y) {
    budget.spend(1 + static_cast<long>((bits(*x) + bits(*y)) / 200));
    return settle({x->re + y->re, x->im + y->im});
  }
  budget.spend(3);
  return add(to_ball(a), to_ball(b));
}

Number negate(const Number& a) {
  if (const Exact* x = exact_of(a)) return Exact{-x->re, -x->im};
  if (const auto* infinite = std::get_if<Infinite>(&a)) return Infinite{-infinite->sign};
  Ball ball = std::get<Ball>(a);
  ball.re = -ball.re;
  ball.im = -ball.im;
  return ball;
}

Number multiply(const Number& a, const Number& b, Budget& budget) {
  const Exact *x = exact_of(a), *y = exact_of(b);
  if (x && y) {
    budget.spend(1 + static_cast<long>((bits(*x) + bits(*y)) / 100));
    if (bits(*x) + bits(*y) <= 2 * kMostExactBits) return settle(multiply(*x, *y));
  }
  // Nought is nought whatever the ball: keeps 0 * sqrt(2) exact.
  if ((x && is_zero(a)) || (y && is_zero(b))) {
    if (std::holds_alternative<Infinite>(a) || std::holds_alternative<Infinite>(b)) undefined();
    return make_number(0);
  }
  budget.spend(5);
  return multiply(to_ball(a), to_ball(b));
}

Number divide(const Number& a, const Number& b, Budget& budget) {
  if (const Exact* y = exact_of(b)) {
    budget.spend(2);
    return multiply(a, settle(inverse(*y)), budget);
  }
  budget.spend(5);
  return multiply(a, Number(inverse(to_ball(b))), budget);
}

Number power(const Number& base, const Number& exponent, Budget& budget) {
  if (std::holds_alternative<Infinite>(base) || std::holds_alternative<Infinite>(exponent)) undefined();
  if (const auto whole = as_integer(exponent)) {
    if (*whole == 0) return make_number(1);
    if (*whole < 0 && is_zero(base)) undefined();
    const Exact* exact = exact_of(base);
    const long size = *whole < 0 ? -*whole : *whole;
    const bool fits = exact && bits(*exact) * static_cast<std::size_t>(size) <= kMostExactBits;
    if (exact && exact->im == 0 && (exact->re == 1 || exact->re == -1)) {
      return make_number(exact->re == 1 || size % 2 == 0 ? 1 : -1);
    }
    if (fits || size <= 4096) return integer_power(fits ? base : Number(to_ball(base)), *whole, budget);
  } else if (is_exact_real(exponent) && is_exact_real(base)) {
    // (p/q)-th powers of perfect q-th powers stay exact: 8^(2/3) = 4, (-4)^(1/2) = 2i.
    const Rational& to = exact_of(exponent)->re;
    const Rational& from = exact_of(base)->re;
    if (from == 0) {
      if (to < 0) undefined();
      return make_number(0);
    }
    if (mp::denominator(to) <= 64 && mp::abs(mp::numerator(to)) <= 4096) {
      const auto degree = static_cast<unsigned>(mp::denominator(to));
      const long times = static_cast<long>(mp::numerator(to));
      budget.spend(static_cast<long>(bits(from)));
      if (from > 0 || degree == 2) {
        if (const auto value = exact_root(Rational(mp::abs(from)), degree)) {
          const Exact side = from > 0 ? Exact{*value, 0} : Exact{0, *value};
          return power(Number(side), make_number(Rational(times)), budget);
        }
      }
    }
  }
  if (is_zero(base)) {
    const Ball to = to_ball(exponent);
    if (to.re - to.error <= 0) undefined();
    return make_number(0);
  }
  budget.spend(120);
  const Ball from = to_ball(base);
  return exponential(multiply(to_ball(exponent), logarithm(from)));
}

Number root(const Number& value, unsigned degree, Budget& budget) {
  if (degree == 0) undefined();
  if (degree == 1) return value;
  const bool real =
      is_exact_real(value) || (std::holds_alternative<Ball>(value) && std::get<Ball>(value).real);
  if (real && degree % 2 == 1) {
    const auto sign = order(value, make_number(0));
    if (sign && *sign < 0) return negate(root(negate(value), degree, budget));
  }
  if (const auto* ball = std::get_if<Ball>(&value);
      ball && ball->real && degree == 2 && ball->re > ball->error * 2) {
    budget.spend(10);
    const Real side = mp::sqrt(ball->re);
    return rounded(side, 0, ball->error / side + side * unit() * 4, true);
  }
  return power(value, make_number(Rational(1, degree)), budget);
}

Number absolute(const Number& value, Budget& budget) {
  if (std::holds_alternative<Infinite>(value)) return Infinite{1};
  if (const Exact* exact = exact_of(value)) {
    if (exact->im == 0) return Exact{exact->re < 0 ? Rational(-exact->re) : exact->re, 0};
    budget.spend(4);
    return root(settle({exact->re * exact->re + exact->im * exact->im, 0}), 2, budget);
  }
  budget.spend(10);
  const Ball& ball = std::get<Ball>(value);
  return rounded(magnitude(ball), 0, ball.error, true);
}

Number floor_number(const Number& value) {
  if (const Exact* exact = exact_of(value)) {
    if (exact->im != 0) undefined();
    const Integer top = mp::numerator(exact->re), bottom = mp::denominator(exact->re);
    Integer whole = top / bottom;
    if (top < 0 && whole * bottom != top) --whole;
    return make_number(Rational(whole));
  }
  if (!std::holds_alternative<Ball>(value)) undefined();
  const Ball& ball = std::get<Ball>(value);
  if (!ball.real || mp::abs(ball.re) > Real("1e60")) out_of_bounds();
  const Real low = mp::floor(ball.re - ball.error), high = mp::floor(ball.re + ball.error);
  if (low != high) out_of_bounds();
  return make_number(Rational(Integer(low)));
}

Number factorial(const Number& value, Budget& budget) {
  const auto n = as_integer(value);
  if (!n || *n < 0) undefined();
  if (*n > 3000) out_of_bounds();
  budget.spend(*n + 1);
  Integer product = 1;
  for (long i = 2; i <= *n; ++i) product *= i;
  return make_number(Rational(product));
}

Number binomial(const Number& n, const Number& k, Budget& budget) {
  const auto top = as_integer(n), bottom = as_integer(k);
  if (!top || !bottom || *top < 0 || *bottom < 0) undefined();
  if (*top > 2000) out_of_bounds();
  if (*bottom > *top) return make_number(0);
  budget.spend(*top + 1);
  Integer product = 1;
  for (long i = 0; i < std::min(*bottom, *top - *bottom); ++i) product = product * (*top - i) / (i + 1);
  return make_number(Rational(product));
}

Number apply(Function function, const Number& value, Budget& budget) {
  const auto divided = [&](Function top, Function bottom) {
    return divide(apply(top, value, budget), apply(bottom, value, budget), budget);
  };
  const auto inverted = [&](Function of) { return divide(make_number(1), apply(of, value, budget), budget); };
  switch (function) {
    case Function::tan:
      return divided(Function::sin, Function::cos);
    case Function::cot:
      return divided(Function::cos, Function::sin);
    case Function::sec:
      return inverted(Function::cos);
    case Function::csc:
      return inverted(Function::sin);
    case Function::tanh:
      return divided(Function::sinh, Function::cosh);
    default:
      break;
  }
  budget.spend(100);
  const Exact* exact = exact_of(value);
  if (exact && exact->im == 0) {  // the few places where the value is rational
    const bool zero = exact->re == 0;
    if (zero && (function == Function::cos || function == Function::cosh || function == Function::exp))
      return make_number(1);
    if (zero && function != Function::log && function != Function::acos) return make_number(0);
    if (exact->re == 1 && (function == Function::log || function == Function::acos)) return make_number(0);
  }
  const Ball z = to_ball(value);
  const Real large = 1 + magnitude(z);
  switch (function) {
    case Function::exp:
      return exponential(z);
    case Function::log:
      return logarithm(z);
    case Function::sin:
    case Function::cos: {
      if (!z.real || large > Real("1e15")) out_of_bounds();
      const Real result = function == Function::sin ? mp::sin(z.re) : mp::cos(z.re);
      return rounded(result, 0, z.error + large * unit() * 8, true);
    }
    case Function::sinh:
    case Function::cosh: {
      Ball up = exponential(z), down = exponential(to_ball(negate(z)));
      if (function == Function::sinh) down = to_ball(negate(down));
      return multiply(add(up, down), Ball{Real(0.5), 0, 0, true});
    }
    case Function::atan:
      if (!z.real) out_of_bounds();
      return rounded(mp::atan(z.re), 0, z.error + unit() * 8, true);
    case Function::asin:
    case Function::acos: {
      // The slope is 1/sqrt(1-x^2): away from the ends only, which exact arguments may be.
      if (!z.real || mp::abs(z.re) > 1) out_of_bounds();
      const bool end = exact && (exact->re == 1 || exact->re == -1);
      const Real room = 1 - mp::abs(z.re);
      if (!end && room <= z.error * 4) out_of_bounds();
      const Real result = function == Function::asin ? mp::asin(z.re) : mp::acos(z.re);
      return rounded(result, 0, end ? unit() * 8 : Real(2 * z.error / mp::sqrt(room) + unit() * 16 / room),
                     true);
    }
    default:
      break;
  }
  undefined();
}

Verdict compare(const Number& a, const Number& b) {
  const auto *x = std::get_if<Infinite>(&a), *y = std::get_if<Infinite>(&b);
  if (x || y) return x && y && x->sign == y->sign ? Verdict::equal : Verdict::different;
  const Exact *p = exact_of(a), *q = exact_of(b);
  if (p && q) return p->re == q->re && p->im == q->im ? Verdict::equal : Verdict::different;
  const Ball left = to_ball(a), right = to_ball(b);
  const Ball gap{left.re - right.re, left.im - right.im, 0, false};
  const Real slack = left.error + right.error + (magnitude(left) + magnitude(right)) * unit();
  if (magnitude(gap) > slack) return Verdict::different;
  // Agreement counts where it is far finer than anything answers could differ by: to 30 places after the
  // point (2^1000 and 2^1000 + 1 agree in all the digits a ball has), and to 60 digits or, where both cancel
  // to nothing, 90 places.
  static const Real places("1e-30"), digits("1e-60"), nothing("1e-90");
  const Real scale = std::max(magnitude(left), magnitude(right));
  const bool sharp = slack <= places && (slack <= digits * scale || (scale <= slack && slack <= nothing));
  return sharp ? Verdict::equal : Verdict::undecided;
}

std::optional<int> order(const Number& a, const Number& b) {
  const auto *x = std::get_if<Infinite>(&a), *y = std::get_if<Infinite>(&b);
  if (x || y) {
    const int left = x ? x->sign : 0, right = y ? y->sign : 0;
    return left < right ? -1 : left > right ? 1 : 0;
  }
  const Exact *p = exact_of(a), *q = exact_of(b);
  if (p && q) {
    if (p->im != 0 || q->im != 0) return std::nullopt;
    return p->re < q->re ? -1 : p->re > q->re ? 1 : 0;
  }
  const Ball left = to_ball(a), right = to_ball(b);
  if (!left.real || !right.real) return std::nullopt;
  switch (compare(a, b)) {
    case Verdict::equal:
      return 0;
    case Verdict::different:
      return left.re < right.re ? -1 : 1;
    case Verdict::undecided:
      return std::nullopt;
  }
  return std::nullopt;
}

bool is_zero(const Number& value) {
  if (const Exact* exact = exact_of(value)) return exact->re == 0 && exact->im == 0;
  return false;
}

std::optional<long> as_integer(const Number& value) {
  const Exact* exact = exact_of(value);
  if (!exact || exact->im != 0 || mp::denominator(exact->re) != 1) return std::nullopt;
  const Integer whole = mp::numerator(exact->re);
  if (mp::abs(whole) > 1'000'000'000) return std::nullopt;
  return static_cast<long>(whole);
}

}  // namespace moe::eval
