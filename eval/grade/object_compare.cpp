// Whether two parsed answers are the same mathematical object.
#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "eval/extract/scan.h"
#include "eval/grade/math_object.h"
#include "eval/grade/regions.h"

namespace moe::eval {
namespace {

using Kind = MathObject::Kind;

Verdict all_of(const std::vector<MathObject>& a, const std::vector<MathObject>& b, Budget& budget) {
  if (a.size() != b.size()) return Verdict::different;
  Verdict out = Verdict::equal;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Verdict verdict = compare_objects(a[i], b[i], budget);
    if (verdict == Verdict::different) return verdict;
    if (verdict == Verdict::undecided) out = verdict;
  }
  return out;
}

// Every member of `a` has its equal in `b`. One that differs from all of `b` proves otherwise.
Verdict contained(const std::vector<MathObject>& a, const std::vector<MathObject>& b, Budget& budget) {
  Verdict out = Verdict::equal;
  for (const MathObject& member : a) {
    bool found = false, unclear = false;
    for (const MathObject& other : b) {
      budget.spend(1);
      const Verdict verdict = compare_objects(member, other, budget);
      if (verdict == Verdict::equal) {
        found = true;
        break;
      }
      unclear |= verdict == Verdict::undecided;
    }
    if (!found && !unclear) return Verdict::different;
    if (!found) out = Verdict::undecided;
  }
  return out;
}

Verdict same_members(const std::vector<MathObject>& a, const std::vector<MathObject>& b, Budget& budget) {
  const Verdict there = contained(a, b, budget);
  if (there == Verdict::different) return there;
  const Verdict back = contained(b, a, budget);
  if (back == Verdict::different) return back;
  return there == Verdict::equal && back == Verdict::equal ? Verdict::equal : Verdict::undecided;
}

// One name for the spellings of a unit; words that only count things stay as they are.
std::string unit_name(std::string unit) {
  static const std::array<std::pair<std::string_view, std::string_view>, 30> kNames = {{
      {"centimeters", "cm"}, {"centimeter", "cm"},    {"meters", "m"},
      {"meter", "m"},        {"kilometers", "km"},    {"kilometer", "km"},
      {"millimeters", "mm"}, {"feet", "ft"},          {"foot", "ft"},
      {"inches", "in"},      {"inch", "in"},          {"miles", "mi"},
      {"mile", "mi"},        {"hours", "hr"},         {"hour", "hr"},
      {"minutes", "min"},    {"minute", "min"},       {"seconds", "s"},
      {"second", "s"},       {"dollars", "dollar"},   {"grams", "g"},
      {"gm", "g"},           {"kilograms", "kg"},     {"pounds", "lb"},
      {"lbs", "lb"},         {"milesperhour", "mph"}, {"mihr", "mph"},
      {"units", "unit"},     {"squnits", "unit2"},    {"sq", "square"},
  }};
  for (const auto& [from, to] : kNames) {
    if (unit == from) return std::string(to);
  }
  if (unit.rfind("square", 0) == 0 && unit.size() > 6) return unit_name(unit.substr(6)) + "2";
  if (unit.rfind("cubic", 0) == 0 && unit.size() > 5) return unit_name(unit.substr(5)) + "3";
  if (unit.size() > 2 && (unit.back() == '2' || unit.back() == '3')) {
    return unit_name(unit.substr(0, unit.size() - 1)) + unit.back();
  }
  if (unit.size() > 3 && unit.back() == 's') unit.pop_back();
  return unit;
}

// What a scalar measures in; empty: a bare number.
std::string measure_of(const MathObject& scalar, bool degrees) {
  if (!scalar.unit.empty()) return unit_name(scalar.unit);
  return degrees ? "degree" : scalar.percent ? "percent" : "";
}

// 20%, 20 and 0.2; 30 degrees, 30 and pi/6: a sign on one side only may be read either way.
Verdict compare_scalars(const MathObject& a, const MathObject& b, Budget& budget) {
  const bool degrees_a = has_degrees(a.value), degrees_b = has_degrees(b.value);
  Verdict verdict = same_function(a.value, b.value, true, budget);
  if (verdict != Verdict::equal && degrees_a != degrees_b) {
    const Verdict radians = same_function(a.value, b.value, false, budget);
    if (radians == Verdict::equal || verdict == Verdict::different) verdict = radians;
  }
  if (verdict != Verdict::equal && a.percent != b.percent) {
    const MathObject& part = a.percent ? a : b;
    const MathObject& other = a.percent ? b : a;
    const Expr hundredth = Expr::of(Expr::Op::divide, {part.value, Expr::of(Rational(100))});
    const Verdict scaled = same_function(hundredth, other.value, true, budget);
    if (scaled == Verdict::equal || verdict == Verdict::different) verdict = scaled;
  }
  const std::string measure_a = measure_of(a, degrees_a), measure_b = measure_of(b, degrees_b);
  if (!measure_a.empty() && !measure_b.empty() && measure_a != measure_b) return Verdict::undecided;
  return verdict;
}

bool is_linear(const MathObject& equation) {
  const int left = polynomial_degree(equation.value), right = polynomial_degree(equation.right);
  return left >= 0 && right >= 0 && left <= 1 && right <= 1;
}

Expr difference(const MathObject& equation) {
  return Expr::of(Expr::Op::add, {equation.value, Expr::of(Expr::Op::negate, {equation.right})});
}

bool has_expressions(const MathObject& equation) {
  return !equation.named || equation.items[0].kind == Kind::scalar;
}

Verdict compare_equations(const MathObject& a, const MathObject& b, Budget& budget) {
  if (a.named && b.named && a.unit == b.unit) return compare_objects(a.items[0], b.items[0], budget);
  if (!has_expressions(a) || !has_expressions(b)) return Verdict::undecided;
  const Verdict verdict = proportional(difference(a), difference(b), budget);
  // y^2 = x and y = sqrt(x), or x = 1/y and xy = 1, are no multiples of each other: only lines are told
  // apart.
  if (verdict == Verdict::different && is_linear(a) && is_linear(b)) {
    const bool same_value =
        a.named && b.named && compare_objects(a.items[0], b.items[0], budget) != Verdict::different;
    return same_value ? Verdict::undecided : Verdict::different;
  }
  return verdict == Verdict::equal ? verdict : Verdict::undecided;
}

// A numeral's value; nothing if a digit is too large for the base.
std::optional<Rational> numeral_value(const MathObject& numeral) {
  Integer value = 0, scale = 1;
  bool fraction = false;
  for (const char digit : numeral.unit) {
    if (digit == '-') continue;
    if (digit == '.') {
      fraction = true;
      continue;
    }
    const auto d = static_cast<std::size_t>(digit - '0');
    if (d >= numeral.columns) return std::nullopt;
    value = value * numeral.columns + d;
    if (fraction) scale *= numeral.columns;
  }
  Rational out(value);
  out /= Rational(scale);
  return numeral.unit[0] == '-' ? Rational(-out) : out;
}

Verdict compare_numerals(const MathObject& a, const MathObject& b, Budget& budget) {
  if (a.kind == Kind::numeral && b.kind == Kind::numeral) {
    if (a.columns == b.columns) {
      const auto x = parse_rational(a.unit), y = parse_rational(b.unit);
      return x && y && *x == *y ? Verdict::equal : Verdict::different;
    }
    const auto x = numeral_value(a), y = numeral_value(b);
    return x && y && *x != *y ? Verdict::different : Verdict::undecided;
  }
  const MathObject& numeral = a.kind == Kind::numeral ? a : b;
  const MathObject& other = a.kind == Kind::numeral ? b : a;
  if (other.kind != Kind::scalar) return Verdict::different;
  // The question names the base, so the bare digits mean the numeral; its value in base ten may mean it too.
  const auto digits = parse_rational(numeral.unit);
  const auto value = numeral_value(numeral);
  if (!digits) return Verdict::undecided;
  const Verdict same_digits = same_function(Expr::of(*digits), other.value, true, budget);
  if (same_digits != Verdict::different || !value) return same_digits;
  return same_function(Expr::of(*value), other.value, true, budget) == Verdict::different
             ? Verdict::different
             : Verdict::undecided;
}

Verdict compare_text(const MathObject& a, const MathObject& b) {
  if (a.plain == b.plain && !a.plain.empty()) return Verdict::equal;
  if (a.kind == Kind::text && b.kind == Kind::text) return Verdict::different;
  // Words against a formula: a number written in words is still a number, all else is something else.
  const MathObject& words = a.kind == Kind::text ? a : b;
  static const std::array<std::string_view, 16> kNumberWords = {
      "zero",  "one",  "two", "three",  "four",   "five", "six",     "seven",
      "eight", "nine", "ten", "eleven", "twelve", "half", "hundred", "thousand"};
  const bool number =
      std::any_of(kNumberWords.begin(), kNumberWords.end(),
                  [&](std::string_view word) { return words.plain.find(word) != std::string::npos; }) ||
      std::any_of(words.plain.begin(), words.plain.end(), is_ascii_digit);
  return number ? Verdict::undecided : Verdict::different;
}

Verdict compare_tuples(const MathObject& a, const MathObject& b, Budget& budget) {
  if (a.items.size() != b.items.size()) return Verdict::different;
  const Verdict items = all_of(a.items, b.items, budget);
  // Two entries may be an interval, where the kind of bracket is part of the value.
  if (items == Verdict::equal && a.items.size() == 2 && (a.open != b.open || a.close != b.close)) {
    return compare_regions(a, b, budget) == Verdict::equal ? Verdict::equal : Verdict::different;
  }
  return items;
}

// A bare list against a tuple: the brackets may only be missing, but the list may also be a set.
Verdict list_with_tuple(const MathObject& list, const MathObject& tuple, Budget& budget) {
  return same_members(list.items, tuple.items, budget) == Verdict::different ? Verdict::different
                                                                             : Verdict::undecided;
}

Verdict compare_relations(const MathObject& a, const MathObject& b, Budget& budget) {
  const auto flipped = [](MathObject object) {
    std::reverse(object.items.begin(), object.items.end());
    std::reverse(object.relations.begin(), object.relations.end());
    for (std::string& sign : object.relations) {
      if (sign[0] == '<' || sign[0] == '>') sign[0] = sign[0] == '<' ? '>' : '<';
    }
    return object;
  };
  if (a.relations == b.relations && all_of(a.items, b.items, budget) == Verdict::equal) return Verdict::equal;
  const MathObject other = flipped(b);
  if (a.relations == other.relations && all_of(a.items, other.items, budget) == Verdict::equal)
    return Verdict::equal;
  // A chain over other names in another order says something else; anything subtler is left open.
  return a.items.size() > 2 && a.relations == b.relations &&
                 same_members(a.items, b.items, budget) == Verdict::equal && a.relations == other.relations
             ? Verdict::different
             : Verdict::undecided;
}

Verdict compare_ratios(const MathObject& a, const MathObject& b, Budget& budget) {
  if (a.items.size() != b.items.size()) return Verdict::different;
  Verdict out = Verdict::equal;
  for (std::size_t i = 1; i < a.items.size(); ++i) {  // a0 : ai = b0 : bi
    const Expr left = Expr::of(Expr::Op::multiply, {a.items[0].value, b.items[i].value});
    const Expr right = Expr::of(Expr::Op::multiply, {b.items[0].value, a.items[i].value});
    const Verdict verdict = same_function(left, right, true, budget);
    if (verdict == Verdict::different) return verdict;
    if (verdict == Verdict::undecided) out = verdict;
  }
  return out;
}

Verdict compare_same_kind(const MathObject& a, const MathObject& b, Budget& budget) {
  switch (a.kind) {
    case Kind::scalar:
      return compare_scalars(a, b, budget);
    case Kind::text:
      return compare_text(a, b);
    case Kind::tuple:
      return compare_tuples(a, b, budget);
    case Kind::set:
      return same_members(a.items, b.items, budget);
    case Kind::region:
      return compare_regions(a, b, budget);
    case Kind::matrix:
      return a.columns == b.columns ? all_of(a.items, b.items, budget) : Verdict::different;
    case Kind::equation:
      return compare_equations(a, b, budget);
    case Kind::relation:
      return compare_relations(a, b, budget);
    case Kind::ratio:
      return compare_ratios(a, b, budget);
    case Kind::numeral:
      return compare_numerals(a, b, budget);
    case Kind::opaque:
      return Verdict::undecided;
  }
  return Verdict::undecided;
}

}  // namespace

Verdict compare_objects(const MathObject& a, const MathObject& b, Budget& budget) {
  budget.spend(1);
  if (a.kind == Kind::opaque || b.kind == Kind::opaque) return Verdict::undecided;
  if (a.kind == b.kind) return compare_same_kind(a, b, budget);
  if (a.kind == Kind::text || b.kind == Kind::text) return compare_text(a, b);

  const auto pair = [&](Kind x, Kind y) {
    return (a.kind == x && b.kind == y) || (a.kind == y && b.kind == x);
  };
  const auto pick = [&](Kind kind) -> const MathObject& { return a.kind == kind ? a : b; };
  const auto other = [&](Kind kind) -> const MathObject& { return a.kind == kind ? b : a; };

  if (a.kind == Kind::equation || b.kind == Kind::equation) {
    const MathObject& equation = pick(Kind::equation);
    if (equation.named) return compare_objects(equation.items[0], other(Kind::equation), budget);
    return Verdict::undecided;
  }
  if (a.kind == Kind::relation || b.kind == Kind::relation) return Verdict::undecided;
  if (a.kind == Kind::region || b.kind == Kind::region) {
    return is_region_like(other(Kind::region)) ? compare_regions(a, b, budget) : Verdict::different;
  }
  if (a.kind == Kind::set || b.kind == Kind::set) {
    const MathObject& set = pick(Kind::set);
    const MathObject& rest = other(Kind::set);
    if (rest.kind == Kind::tuple) {
      if (set.bare) return list_with_tuple(set, rest, budget);
      return rest.items.size() == 2 && rest.open == '[' ? compare_regions(a, b, budget) : Verdict::different;
    }
    if (rest.kind == Kind::matrix) return list_with_tuple(set, rest, budget);
    return same_members(set.items, {rest}, budget);  // {5} and 5
  }
  if (a.kind == Kind::numeral || b.kind == Kind::numeral) return compare_numerals(a, b, budget);
  if (pair(Kind::matrix, Kind::tuple)) {
    // A column or row and a point with the same entries may mean one vector.
    const MathObject& matrix = pick(Kind::matrix);
    const bool vector = matrix.columns == 1 || matrix.columns == matrix.items.size();
    if (!vector) return Verdict::different;
    return all_of(a.items, b.items, budget) == Verdict::different ? Verdict::different : Verdict::undecided;
  }
  if (pair(Kind::ratio, Kind::scalar)) {
    const MathObject& ratio = pick(Kind::ratio);
    if (ratio.items.size() != 2) return Verdict::different;
    const Expr quotient = Expr::of(Expr::Op::divide, {ratio.items[0].value, ratio.items[1].value});
    const Verdict verdict = same_function(quotient, other(Kind::ratio).value, true, budget);
    return verdict == Verdict::different ? verdict : Verdict::undecided;
  }
  return Verdict::different;
}

}  // namespace moe::eval
