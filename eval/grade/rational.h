// Exact numbers of answers: reading plain decimals and fractions, with bounds on their size.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>
#include <optional>
#include <string_view>

namespace moe::eval {

using Integer = boost::multiprecision::cpp_int;
using Rational = boost::multiprecision::cpp_rational;

// [-+]digits[.digits][/digits], separators and blanks between digit groups allowed; at most 400 digits in
// all. Nothing if the text is not such a number, or its denominator is zero.
std::optional<Rational> parse_rational(std::string_view text);

}  // namespace moe::eval
