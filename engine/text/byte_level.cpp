// The byte-level alphabet of GPT-2: each byte is spelt as one printable character.
#include "engine/text/byte_level.h"

#include "engine/base/utf8.h"

namespace moe::byte_level {
namespace {

struct Alphabet {
  std::array<char32_t, 256> characters{};
  std::array<std::int16_t, 512> bytes{};

  Alphabet() {
    bytes.fill(-1);
    // Printable Latin-1 stands for itself; the rest follow from U+0100 in order.
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      const char32_t c = printable ? static_cast<char32_t>(b) : next++;
      characters[static_cast<std::size_t>(b)] = c;
      bytes[c] = static_cast<std::int16_t>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet a;
  return a;
}

}  // namespace

const std::array<char32_t, 256>& characters() { return alphabet().characters; }

int byte_of(char32_t c) { return c < 512 ? alphabet().bytes[c] : -1; }

std::string spell(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char b : bytes) utf8::append(out, alphabet().characters[static_cast<unsigned char>(b)]);
  return out;
}

bool unspell(std::string_view token, std::string& out) {
  out.clear();
  for (std::size_t at = 0; at < token.size();) {
    const int byte = byte_of(utf8::next(token, at));
    if (byte < 0) return false;
    out += static_cast<char>(byte);
  }
  return true;
}

}  // namespace moe::byte_level
