// Reading UTF-8 text code point by code point.
#include "eval/extract/scan.h"

#include <utf8proc.h>

#include <algorithm>

namespace moe::eval {

CodePoint code_point_at(std::string_view text, std::size_t position) {
  if (position >= text.size()) return {};
  const auto byte = static_cast<unsigned char>(text[position]);
  if (byte < 0x80) return {byte, 1};
  utf8proc_int32_t value = -1;
  const auto left = std::min<std::size_t>(text.size() - position, 4);
  const auto taken = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + position,
                                      static_cast<utf8proc_ssize_t>(left), &value);
  if (taken <= 0) return {-1, 1};
  return {value, static_cast<std::size_t>(taken)};
}

CodePoint code_point_before(std::string_view text, std::size_t position) {
  if (position == 0 || position > text.size()) return {};
  for (std::size_t back = 1; back <= std::min<std::size_t>(position, 4); ++back) {
    const CodePoint found = code_point_at(text, position - back);
    if (found.bytes == back && found.value >= 0) return found;
  }
  return {-1, 1};
}

bool is_space(std::int32_t code_point) {
  if (code_point < 0) return false;
  if (code_point < 0x80) {
    return code_point == ' ' || (code_point >= 9 && code_point <= 13) ||
           (code_point >= 0x1c && code_point <= 0x1f);
  }
  return code_point == 0x85 || code_point == 0x2028 || code_point == 0x2029 ||
         utf8proc_category(code_point) == UTF8PROC_CATEGORY_ZS;
}

bool is_word(std::int32_t code_point) {
  if (code_point < 0) return false;
  if (code_point < 0x80) {
    const char c = static_cast<char>(code_point);
    return is_ascii_letter(c) || is_ascii_digit(c) || c == '_';
  }
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

bool is_digit(std::int32_t code_point) {
  if (code_point < 0) return false;
  if (code_point < 0x80) return is_ascii_digit(static_cast<char>(code_point));
  return utf8proc_category(code_point) == UTF8PROC_CATEGORY_ND;
}

std::size_t skip_space(std::string_view text, std::size_t position) {
  for (;;) {
    const CodePoint next = code_point_at(text, position);
    if (next.bytes == 0 || !is_space(next.value)) return position;
    position += next.bytes;
  }
}

std::size_t skip_space_back(std::string_view text, std::size_t position) {
  for (;;) {
    const CodePoint last = code_point_before(text, position);
    if (last.bytes == 0 || !is_space(last.value)) return position;
    position -= last.bytes;
  }
}

bool is_word_boundary(std::string_view text, std::size_t position) {
  const CodePoint before = code_point_before(text, position);
  const CodePoint after = code_point_at(text, position);
  return (before.bytes > 0 && is_word(before.value)) != (after.bytes > 0 && is_word(after.value));
}

std::string_view strip(std::string_view text) {
  const std::size_t begin = skip_space(text, 0);
  const std::size_t end = skip_space_back(text, text.size());
  return begin >= end ? std::string_view{} : text.substr(begin, end - begin);
}

std::string_view strip_bytes(std::string_view text, char byte) {
  while (!text.empty() && text.front() == byte) text.remove_prefix(1);
  while (!text.empty() && text.back() == byte) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint here = code_point_at(text, at);
    const std::int32_t c = here.value;
    const bool ends =
        (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (!ends) {
      at += here.bytes;
      continue;
    }
    lines.push_back(text.substr(begin, at - begin));
    at += here.bytes;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    begin = at;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string collapse_space(std::string_view text) {
  std::string out;
  text = strip(text);
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint here = code_point_at(text, at);
    if (is_space(here.value)) {
      out += ' ';
      at = skip_space(text, at);
    } else {
      out += text.substr(at, here.bytes);
      at += here.bytes;
    }
  }
  return out;
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower_ascii(c);
  return out;
}

bool starts_with_nocase(std::string_view text, std::size_t position, std::string_view word) {
  if (position > text.size() || text.size() - position < word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (lower_ascii(text[position + i]) != word[i]) return false;
  }
  return true;
}

}  // namespace moe::eval
