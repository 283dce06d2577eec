// Code points and character classes as Python's str sees them, over UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace moe::jinja {

struct CaseExpansion {
  std::uint32_t code_point;
  const char* text;
};
struct CodePointRange {
  std::uint32_t first, last;
};
extern const CaseExpansion kUpperExpansions[];
extern const std::size_t kUpperExpansionCount;
extern const CaseExpansion kTitleExpansions[];
extern const std::size_t kTitleExpansionCount;
extern const CodePointRange kOtherDigits[];
extern const std::size_t kOtherDigitCount;

bool valid_utf8(std::string_view bytes);  // no surrogates, no overlong forms
// Invalid bytes become U+FFFD.
std::string valid_or_replaced(std::string_view bytes);
std::size_t count_code_points(std::string_view valid_utf8);
// Reads the code point at `position` and moves past it. Only for valid UTF-8.
std::uint32_t next_code_point(std::string_view text, std::size_t& position);
void append_code_point(std::string& out, std::uint32_t code_point);
std::size_t byte_offset(std::string_view text, std::size_t code_points);  // clamped to the end
std::vector<std::string_view> characters(std::string_view text);

bool is_space(std::uint32_t c);  // str.isspace, also regular expressions' \s
bool is_alpha(std::uint32_t c);
bool is_decimal(std::uint32_t c);
bool is_digit(std::uint32_t c);
bool is_alnum(std::uint32_t c);
bool is_upper(std::uint32_t c);
bool is_lower(std::uint32_t c);
bool is_title(std::uint32_t c);
bool is_cased(std::uint32_t c);
bool is_printable(std::uint32_t c);
bool is_word(std::uint32_t c);  // regular expressions' \w
bool is_identifier_start(std::uint32_t c);
bool is_identifier_part(std::uint32_t c);
bool is_line_break(std::uint32_t c);  // as str.splitlines

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_swapped(std::string_view text);
std::string to_capitalized(std::string_view text);  // str.capitalize
std::string to_title(std::string_view text);        // str.title

std::string_view strip(std::string_view text, bool left = true, bool right = true);  // whitespace
std::string_view strip_chars(std::string_view text, std::string_view chars, bool left, bool right);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace moe::jinja
