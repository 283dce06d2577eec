// Values of expressions, and their comparison at points.
#include "eval/grade/expression.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "engine/base/split_mix.h"

namespace moe::eval {
namespace {

using Op = Expr::Op;

// A fixed sequence, so that a verdict never changes from run to run.
class Points {
 public:
  std::uint64_t next() { return split_mix(kSeed, used_++); }
  // Between 1/8 and 8, with numerators and denominators that rarely cancel.
  Rational positive() {
    const auto top = static_cast<long>(1009 + next() % 7000),
               bottom = static_cast<long>(1013 + next() % 7000);
    Rational value(top);
    value /= bottom;
    return value;
  }

 private:
  static constexpr std::uint64_t kSeed = 20260407;
  std::uint64_t used_ = 0;
};

constexpr int kPositivePoints = 5;
constexpr int kSignedPoints = 4;
constexpr int kTries = 24;  // points where either side has no value are passed over

Assignment point(const std::set<std::string>& symbols, Points& points, bool with_signs) {
  Assignment out;
  for (const std::string& symbol : symbols) {
    Rational value = points.positive();
    if (with_signs && (points.next() & 1)) value = -value;
    out[symbol] = value;
  }
  return out;
}

enum class Sample { equal, different, undecided, none };

Sample to_sample(Verdict verdict) {
  return verdict == Verdict::equal       ? Sample::equal
         : verdict == Verdict::different ? Sample::different
                                         : Sample::undecided;
}

// Runs `test` at points until enough of them gave a verdict.
Verdict at_points(const std::set<std::string>& symbols, Budget& budget,
                  const std::function<Sample(const Assignment&)>& test) {
  if (symbols.size() > 40) return Verdict::undecided;
  Points points;
  for (const bool with_signs : {false, true}) {
    int agreed = 0;
    bool unclear = false;
    for (int attempt = 0; attempt < kTries && agreed < (with_signs ? kSignedPoints : kPositivePoints);
         ++attempt) {
      const Assignment values = point(symbols, points, with_signs);
      Sample sample = Sample::none;
      try {
        sample = test(values);
      } catch (const CannotEvaluate&) {
        if (budget.gone()) return Verdict::undecided;
        continue;
      }
      if (sample == Sample::different) return with_signs ? Verdict::undecided : Verdict::different;
      if (sample == Sample::undecided) unclear = true;
      if (sample == Sample::equal) ++agreed;
    }
    if (unclear) return Verdict::undecided;
    // Where negative values have none (logarithms), the positive ones must do.
    if (agreed < 3 && !(with_signs && agreed == 0)) return Verdict::undecided;
  }
  return Verdict::equal;
}

Number evaluate_all(const Expr& expr, const Assignment& values, bool angles_bare, Budget& budget) {
  const bool sum = expr.op == Op::add;
  Number total = make_number(sum ? 0 : 1);
  for (const Expr& arg : expr.args) {
    const Number value = evaluate(arg, values, angles_bare, budget);
    total = sum ? add(total, value, budget) : multiply(total, value, budget);
  }
  return total;
}

}  // namespace

Expr Expr::of(Rational value) {
  Expr out;
  out.number = std::move(value);
  return out;
}

Expr Expr::of(Op op, std::vector<Expr> args) {
  Expr out;
  out.op = op;
  out.args = std::move(args);
  return out;
}

Expr Expr::symbol(std::string name) {
  Expr out;
  out.op = Op::symbol;
  out.name = std::move(name);
  return out;
}

Number evaluate(const Expr& expr, const Assignment& values, bool angles_bare, Budget& budget) {
  budget.spend(1);
  const auto arg = [&](std::size_t i, bool bare) { return evaluate(expr.args[i], values, bare, budget); };
  switch (expr.op) {
    case Op::number:
      return make_number(expr.number);
    case Op::symbol: {
      const auto found = values.find(expr.name);
      if (found == values.end()) throw CannotEvaluate{CannotEvaluate::Why::undefined};
      return make_number(found->second);
    }
    case Op::pi:
      return pi_number();
    case Op::euler:
      return apply(Function::exp, make_number(1), budget);
    case Op::imaginary:
      return imaginary_unit();
    case Op::infinity:
      return Infinite{1};
    case Op::add:
    case Op::multiply:
      return evaluate_all(expr, values, angles_bare, budget);
    case Op::divide:
      return divide(arg(0, angles_bare), arg(1, angles_bare), budget);
    case Op::negate:
      return negate(arg(0, angles_bare));
    case Op::power:
      return power(arg(0, angles_bare), arg(1, angles_bare), budget);
    case Op::root: {
      const auto degree = as_integer(arg(1, false));
      if (!degree || *degree < 1 || *degree > 64) throw CannotEvaluate{CannotEvaluate::Why::bound};
      return root(arg(0, angles_bare), static_cast<unsigned>(*degree), budget);
    }
    case Op::function:
      return apply(expr.function, arg(0, false), budget);
    case Op::degrees: {
      const Number angle = arg(0, angles_bare);
      if (angles_bare) return angle;
      return divide(multiply(angle, pi_number(), budget), make_number(180), budget);
    }
    case Op::factorial:
      return factorial(arg(0, angles_bare), budget);
    case Op::binomial:
      return binomial(arg(0, angles_bare), arg(1, angles_bare), budget);
    case Op::absolute:
      return absolute(arg(0, angles_bare), budget);
    case Op::floor:
      return floor_number(arg(0, angles_bare));
    case Op::ceiling:
      return negate(floor_number(negate(arg(0, angles_bare))));
  }
  throw CannotEvaluate{CannotEvaluate::Why::undefined};
}

void collect_symbols(const Expr& expr, std::set<std::string>& out) {
  if (expr.op == Op::symbol) out.insert(expr.name);
  for (const Expr& arg : expr.args) collect_symbols(arg, out);
}

bool has_degrees(const Expr& expr) {
  if (expr.op == Op::degrees) return true;
  if (expr.op == Op::function) return false;
  return std::any_of(expr.args.begin(), expr.args.end(), has_degrees);
}

int polynomial_degree(const Expr& expr) {
  std::set<std::string> symbols;
  collect_symbols(expr, symbols);
  if (symbols.empty()) return 0;
  const auto of = [&](std::size_t i) { return polynomial_degree(expr.args[i]); };
  switch (expr.op) {
    case Op::symbol:
      return 1;
    case Op::negate:
      return of(0);
    case Op::add: {
      int most = 0;
      for (std::size_t i = 0; i < expr.args.size(); ++i) {
        const int degree = of(i);
        if (degree < 0) return -1;
        most = std::max(most, degree);
      }
      return most;
    }
    case Op::multiply: {
      int total = 0;
      for (std::size_t i = 0; i < expr.args.size(); ++i) {
        const int degree = of(i);
        if (degree < 0) return -1;
        total = std::min(total + degree, 10'000);
      }
      return total;
    }
    case Op::divide: {
      std::set<std::string> below;
      collect_symbols(expr.args[1], below);
      return below.empty() ? of(0) : -1;
    }
    case Op::power: {
      if (expr.args[1].op != Op::number || expr.args[1].number < 0 || expr.args[1].number > 1000) return -1;
      if (boost::multiprecision::denominator(expr.args[1].number) != 1) return -1;
      const int degree = of(0);
      return degree < 0 ? -1 : std::min(degree * static_cast<int>(expr.args[1].number), 10'000);
    }
    default:
      return -1;
  }
}

Verdict same_function(const Expr& a, const Expr& b, bool angles_bare, Budget& budget) {
  std::set<std::string> symbols;
  collect_symbols(a, symbols);
  collect_symbols(b, symbols);
  const auto test = [&](const Assignment& values) {
    return to_sample(
        compare(evaluate(a, values, angles_bare, budget), evaluate(b, values, angles_bare, budget)));
  };
  if (!symbols.empty()) return at_points(symbols, budget, test);
  try {
    return compare(evaluate(a, {}, angles_bare, budget), evaluate(b, {}, angles_bare, budget));
  } catch (const CannotEvaluate&) {
    return Verdict::undecided;
  }
}

Verdict proportional(const Expr& a, const Expr& b, Budget& budget) {
  std::set<std::string> symbols;
  collect_symbols(a, symbols);
  collect_symbols(b, symbols);
  std::optional<Number> first_a, first_b;
  const auto test = [&](const Assignment& values) {
    const Number at_a = evaluate(a, values, false, budget), at_b = evaluate(b, values, false, budget);
    const bool zero_a = compare(at_a, make_number(0)) == Verdict::equal;
    const bool zero_b = compare(at_b, make_number(0)) == Verdict::equal;
    if (zero_a != zero_b) return Sample::different;
    if (zero_a) return Sample::none;
    if (!first_a) {
      first_a = at_a;
      first_b = at_b;
      return Sample::none;
    }
    return to_sample(compare(multiply(*first_a, at_b, budget), multiply(at_a, *first_b, budget)));
  };
  return at_points(symbols, budget, test);
}

}  // namespace moe::eval
