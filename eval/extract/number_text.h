// Plain numbers in running text: signs, thousands separators, currency, percent, fractions, units.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace moe::eval {

struct NumberInText {
  std::string value;      // canonical: [-]digits[.digits] or [-]digits/digits, no separators, no currency
  std::size_t begin = 0;  // where it stands in the text (sign and currency included)
  std::size_t end = 0;    // past its last character (percent sign included)
};

// The first number at or after `from`. A digit glued to a letter before it (H2O, x2) is no number; a hyphen
// between two words or numbers (5-3) is no sign. "3 1/2" and "1/2" are read as fractions; "2.5 million" is
// multiplied out. Linear in what it reads.
std::optional<NumberInText> next_number(std::string_view text, std::size_t from);

// The last number of the text.
std::optional<NumberInText> last_number(std::string_view text);

// Text that is one number and at most words around it (currency, units, an equation's left side):
// "$1,234.50", "18 dollars a day", "x = 5", "\text{about } 7\%", "\frac{3}{4}". Nothing if it holds several
// numbers, or none.
std::optional<std::string> number_alone(std::string_view text);

// Drops what only dresses a value: dollar signs and \( \) around formulas, \boxed, \text{} and font commands
// (what they hold stays), spacing commands, markdown emphasis. {,} becomes a comma, \frac{a}{b} becomes a/b.
std::string undress(std::string_view text);

}  // namespace moe::eval
