// UTF-8: walking valid text, and making valid text out of any bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace moe::utf8 {

// Bytes of the character that starts with `lead`, which must be the first byte of a valid character.
inline std::size_t length_from_lead(unsigned char lead) noexcept {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

// The character at `at` of VALID text, moving `at` past it.
inline char32_t next(std::string_view text, std::size_t& at) noexcept {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data()) + at;
  if (p[0] < 0x80) return ++at, p[0];
  if (p[0] < 0xe0) return at += 2, static_cast<char32_t>((p[0] & 0x1f) << 6 | (p[1] & 0x3f));
  if (p[0] < 0xf0)
    return at += 3, static_cast<char32_t>((p[0] & 0x0f) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f));
  return at += 4, static_cast<char32_t>((p[0] & 0x07) << 18 | (p[1] & 0x3f) << 12 | (p[2] & 0x3f) << 6 |
                                        (p[3] & 0x3f));
}

// The last character before `at` of VALID text (at > 0), moving `at` to its first byte.
inline char32_t previous(std::string_view text, std::size_t& at) noexcept {
  do --at;
  while ((static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  std::size_t forward = at;
  return next(text, forward);
}

void append(std::string& out, char32_t code_point);
std::string encode(char32_t code_point);

// Characters in VALID text.
std::size_t count(std::string_view text) noexcept;

// Bytes of the character at the start of any bytes; 0 where they begin with none that is well-formed.
std::size_t whole_character(std::string_view bytes) noexcept;

// Bytes of the longest prefix that is valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
std::size_t valid_prefix(std::string_view text) noexcept;
inline bool valid(std::string_view text) noexcept { return valid_prefix(text) == text.size(); }

// What stands at the start of `bytes`, which must not begin with a valid character: the length of the maximal
// part of an ill-formed sequence (one U+FFFD replaces it), and whether more bytes could still complete it.
struct BadSequence {
  std::size_t length;
  bool may_continue;
};
BadSequence bad_sequence(std::string_view bytes) noexcept;

// Replaces each maximal ill-formed part with U+FFFD, as Python's errors="replace" and Rust's from_utf8_lossy
// do.
std::string replace_invalid(std::string_view bytes);

}  // namespace moe::utf8
