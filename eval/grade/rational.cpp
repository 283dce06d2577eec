// Exact numbers of answers.
#include "eval/grade/rational.h"

#include <string>

#include "eval/extract/scan.h"

namespace moe::eval {
namespace {

constexpr std::size_t kMostDigits = 400;

// A run of digits with separators between groups of three; moves `at` past it. Leading zeros must not reach
// the integer's reader, which takes them for octal.
std::string read_digits(std::string_view text, std::size_t& at) {
  std::string out;
  while (at < text.size()) {
    const char c = text[at];
    const bool separator = (c == ',' || c == '_' || c == ' ') && !out.empty() && at + 3 < text.size() &&
                           is_ascii_digit(text[at + 1]) && is_ascii_digit(text[at + 2]) &&
                           is_ascii_digit(text[at + 3]) &&
                           (at + 4 >= text.size() || !is_ascii_digit(text[at + 4]));
    if (!is_ascii_digit(c) && !separator) break;
    if (!separator) out += c;
    ++at;
  }
  return out;
}

Integer to_integer(const std::string& digits) {
  const std::size_t begin = digits.find_first_not_of('0');
  return begin == std::string::npos ? Integer(0) : Integer(digits.substr(begin));
}

}  // namespace

std::optional<Rational> parse_rational(std::string_view text) {
  text = strip(text);
  bool negative = false;
  std::size_t at = 0;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    ++at;
  }
  const std::string whole = read_digits(text, at);
  std::string fraction, bottom;
  if (at < text.size() && text[at] == '.') {
    const std::size_t begin = ++at;
    while (at < text.size() && is_ascii_digit(text[at])) ++at;
    fraction = text.substr(begin, at - begin);
  }
  if (whole.empty() && fraction.empty()) return std::nullopt;
  if (at < text.size() && text[at] == '/') {
    at = static_cast<std::size_t>(skip_space(text, at + 1));
    bottom = read_digits(text, at);
    if (bottom.empty()) return std::nullopt;
  }
  if (at != text.size() || whole.size() + fraction.size() + bottom.size() > kMostDigits) return std::nullopt;
  const Integer denominator = bottom.empty() ? Integer(1) : to_integer(bottom);
  if (denominator == 0) return std::nullopt;
  const Integer scale = boost::multiprecision::pow(Integer(10), static_cast<unsigned>(fraction.size()));
  Rational value(to_integer(whole + fraction), denominator * scale);
  return negative ? Rational(-value) : value;
}

}  // namespace moe::eval
