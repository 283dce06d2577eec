// UTF-8: walking valid text, and making valid text out of any bytes.
#include "engine/base/utf8.h"

#include <cstring>

namespace moe::utf8 {
namespace {

// The range the second byte must lie in, by the first (Unicode 15, table 3-7).
struct SecondByte {
  unsigned char low, high;
};
SecondByte second_byte(unsigned char lead) noexcept {
  switch (lead) {
    case 0xe0:
      return {0xa0, 0xbf};
    case 0xed:
      return {0x80, 0x9f};
    case 0xf0:
      return {0x90, 0xbf};
    case 0xf4:
      return {0x80, 0x8f};
    default:
      return {0x80, 0xbf};
  }
}

std::size_t wanted(unsigned char lead) noexcept {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

// Bytes that fit a character so far; equal to wanted() when it is whole.
std::size_t fitting(const unsigned char* p, std::size_t size) noexcept {
  const std::size_t length = wanted(p[0]);
  if (length < 2 || size < 2) return length == 0 ? 0 : 1;
  const SecondByte second = second_byte(p[0]);
  if (p[1] < second.low || p[1] > second.high) return 1;
  std::size_t good = 2;
  while (good < length && good < size && (p[good] & 0xc0) == 0x80) ++good;
  return good;
}

}  // namespace

void append(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

std::string encode(char32_t code_point) {
  std::string out;
  append(out, code_point);
  return out;
}

std::size_t count(std::string_view text) noexcept {
  std::size_t characters = 0;
  for (const char byte : text) characters += (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
  return characters;
}

std::size_t whole_character(std::string_view bytes) noexcept {
  if (bytes.empty()) return 0;
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::size_t length = wanted(p[0]);
  return fitting(p, bytes.size()) == length ? length : 0;
}

std::size_t valid_prefix(std::string_view text) noexcept {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t at = 0;
  while (at < text.size()) {
    while (at + 8 <= text.size()) {  // eight ASCII bytes at a time
      std::uint64_t word;
      std::memcpy(&word, p + at, 8);
      if (word & 0x8080808080808080ull) break;
      at += 8;
    }
    if (at == text.size()) break;
    const std::size_t length = whole_character(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return at;
}

BadSequence bad_sequence(std::string_view bytes) noexcept {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::size_t good = fitting(p, bytes.size());
  return {good == 0 ? 1 : good, good != 0 && good == bytes.size()};
}

std::string replace_invalid(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t good = valid_prefix(bytes);
    out.append(bytes.substr(0, good));
    bytes.remove_prefix(good);
    if (bytes.empty()) break;
    out += "\xef\xbf\xbd";
    bytes.remove_prefix(bad_sequence(bytes).length);
  }
  return out;
}

}  // namespace moe::utf8
