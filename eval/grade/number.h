// Numbers that answers evaluate to: Gaussian rationals while they last, then complex balls of 110 digits.
#pragma once

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <optional>
#include <variant>

#include "eval/grade/grade.h"
#include "eval/grade/rational.h"

namespace moe::eval {

using Real =
    boost::multiprecision::number<boost::multiprecision::cpp_bin_float<110>, boost::multiprecision::et_off>;

// Thrown inside the evaluator and caught at its edge: an operation without a value here, or a bound reached.
struct CannotEvaluate {
  enum class Why { undefined, bound };
  Why why;
};

// Work that one comparison may still do; spent where the work is done. Throws CannotEvaluate when it is gone.
class Budget {
 public:
  explicit Budget(long units) : left_(units) {}
  void spend(long units) {
    left_ -= units;
    if (left_ < 0) throw CannotEvaluate{CannotEvaluate::Why::bound};
  }
  bool gone() const { return left_ < 0; }

 private:
  long left_;
};

struct Exact {
  Rational re, im;
};

// A complex number known to within `error`. `real` says that the true value is real, so that branch cuts
// along the real axis need no care.
struct Ball {
  Real re, im, error;
  bool real = true;
};

struct Infinite {
  int sign = 1;
};

using Number = std::variant<Exact, Ball, Infinite>;

Number make_number(Rational value);
Number pi_number();
Number imaginary_unit();

// Throw CannotEvaluate: division by zero, arithmetic with infinity, an argument that touches a branch cut, a
// result beyond the bounds.
Number add(const Number& a, const Number& b, Budget& budget);
Number negate(const Number& a);
Number multiply(const Number& a, const Number& b, Budget& budget);
Number divide(const Number& a, const Number& b, Budget& budget);
Number power(const Number& base, const Number& exponent, Budget& budget);  // principal value
Number root(const Number& value, unsigned degree, Budget& budget);         // real where an odd root is
Number absolute(const Number& value, Budget& budget);
Number floor_number(const Number& value);
Number factorial(const Number& value, Budget& budget);
Number binomial(const Number& n, const Number& k, Budget& budget);

enum class Function {
  sin,
  cos,
  tan,
  cot,
  sec,
  csc,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  exp,
  log,
};
Number apply(Function function, const Number& value, Budget& budget);

// `different` is proven. `equal` of two balls says that they agree to 30 places after the point and to 60 digits;
// numbers too large to be known that well stay undecided.
Verdict compare(const Number& a, const Number& b);

// The sign of a - b of two real or infinite numbers; nothing if it is not known.
std::optional<int> order(const Number& a, const Number& b);

bool is_zero(const Number& value);
// The value as a whole number, where it is one exactly and fits.
std::optional<long> as_integer(const Number& value);

}  // namespace moe::eval
