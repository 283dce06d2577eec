// Character classes and case mappings as Python's str sees them, over UTF-8. They are Unicode 14's
// (Python 3.11, utf8proc 2.8); engine/text/unicode.h answers as the `tokenizers` library does, which mixes
// other versions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/utf8.h"

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
