// Expressions that answers are made of, and their values.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "eval/grade/number.h"

namespace moe::eval {

// A tree by value; the parser bounds its depth and size.
struct Expr {
  enum class Op {
    number,  // `number`
    symbol,  // `name`
    pi,
    euler,
    imaginary,
    infinity,
    add,       // any number of arguments
    multiply,  // any number of arguments
    divide,
    negate,
    power,
    root,      // argument, degree
    function,  // `function`
    degrees,   // an angle given in degrees
    factorial,
    binomial,
    absolute,
    floor,
    ceiling,
  };
  Op op = Op::number;
  Rational number;
  std::string name;
  Function function = Function::sin;
  std::vector<Expr> args;

  static Expr of(Rational value);
  static Expr of(Op op, std::vector<Expr> args = {});
  static Expr symbol(std::string name);
};

using Assignment = std::map<std::string, Rational>;

// `angles_bare`: 30 degrees count as 30 where no function takes them, as answers drop the sign.
// Throws CannotEvaluate.
Number evaluate(const Expr& expr, const Assignment& values, bool angles_bare, Budget& budget);

void collect_symbols(const Expr& expr, std::set<std::string>& out);
bool has_degrees(const Expr& expr);  // outside of functions

// An upper bound of the total degree in its symbols, or -1 if it is not written as a polynomial.
int polynomial_degree(const Expr& expr);

// Whether two expressions agree wherever they have values. Without symbols this is compare(). With symbols
// both are taken at fixed pseudo-random rational points: one point where they differ proves `different`;
// agreement at all of them is `equal`, for a rational function that agrees there by chance has probability
// below 1e-12. If they agree for positive values only (square roots and logarithms), the verdict is
// `undecided`.
Verdict same_function(const Expr& a, const Expr& b, bool angles_bare, Budget& budget);

// Whether a = constant * b for some constant other than nought: the same test for two equations a = 0 and b =
// 0.
Verdict proportional(const Expr& a, const Expr& b, Budget& budget);

}  // namespace moe::eval
