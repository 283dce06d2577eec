// The byte-level alphabet of GPT-2: each byte is spelt as one printable character.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace moe::byte_level {

// The character of each byte.
const std::array<char32_t, 256>& characters();
// The byte of a character, or -1.
int byte_of(char32_t character);
// Spells bytes out in the alphabet.
std::string spell(std::string_view bytes);
// The bytes a token spells; false (and `out` unspecified) when it holds a character outside the alphabet.
bool unspell(std::string_view token, std::string& out);

}  // namespace moe::byte_level
