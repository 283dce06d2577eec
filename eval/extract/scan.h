// Reading UTF-8 text code point by code point: the classes of character that answer rules speak of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moe::eval {

// One code point and the bytes it takes. Bytes that are not UTF-8 come one at a time with value -1, a class
// of their own (neither space, word nor digit), so that any text can be read to its end.
struct CodePoint {
  std::int32_t value = -1;
  std::size_t bytes = 0;  // 0 only at the end of the text
};

CodePoint code_point_at(std::string_view text, std::size_t position);
CodePoint code_point_before(std::string_view text, std::size_t position);

// Python's str.isspace, str.isalnum-or-underscore and Unicode decimal digit: the classes \s, \w and \d that
// the published extractors were written with.
bool is_space(std::int32_t code_point);
bool is_word(std::int32_t code_point);
bool is_digit(std::int32_t code_point);

std::size_t skip_space(std::string_view text, std::size_t position);
std::size_t skip_space_back(std::string_view text, std::size_t position);

// Whether the characters on the two sides of `position` differ in being a word character (\b).
bool is_word_boundary(std::string_view text, std::size_t position);

std::string_view strip(std::string_view text);                     // white space off both ends
std::string_view strip_bytes(std::string_view text, char byte);    // one ASCII character off both ends
std::vector<std::string_view> split_lines(std::string_view text);  // Python's str.splitlines
std::string collapse_space(std::string_view text);                 // runs of space become one; ends stripped

inline char lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
inline char upper_ascii(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
inline bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_ascii_letter(char c) { return lower_ascii(c) >= 'a' && lower_ascii(c) <= 'z'; }

std::string lower_ascii(std::string_view text);

// Whether `word` (lower case ASCII) stands at `position`, in any case.
bool starts_with_nocase(std::string_view text, std::size_t position, std::string_view word);

}  // namespace moe::eval
