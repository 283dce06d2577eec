// SentencePiece's compiled character map, as tokenizer.json holds it in base64.
#include <array>
#include <cstring>

#include "engine/base/utf8.h"
#include "engine/text/json_fields.h"
#include "engine/text/normalizer.h"

namespace moe {
namespace {

std::string from_base64(std::string_view text, std::string_view file) {
  std::array<std::int8_t, 256> value{};
  value.fill(-1);
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < letters.size(); ++i)
    value[static_cast<unsigned char>(letters[i])] = static_cast<std::int8_t>(i);
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char c : text) {
    const int v = value[static_cast<unsigned char>(c)];
    if (v < 0)
      throw Error(ErrorKind::format, Fault{std::string(file), "normalizer.precompiled_charsmap", "base64",
                                           fmt::format("the byte 0x{:02x}", static_cast<unsigned char>(c))});
    bits = bits << 6 | static_cast<std::uint32_t>(v);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  return out;
}

}  // namespace

std::shared_ptr<const Normalizer::Precompiled> Normalizer::read_charsmap(std::string_view base64,
                                                                         std::string_view file) {
  const std::string data = from_base64(base64, file);
  const auto bad = [&](std::string_view expected) {
    throw Error(ErrorKind::format, Fault{std::string(file), "normalizer.precompiled_charsmap",
                                         std::string(expected), fmt::format("{} bytes", data.size())});
  };
  auto map = std::make_shared<Precompiled>();
  if (data.size() < 4) bad("the size of a trie");
  std::uint32_t size;
  std::memcpy(&size, data.data(), 4);
  if (size % 4 != 0 || size > data.size() - 4) bad("a trie of the size it states");
  map->trie.resize(size / 4);
  std::memcpy(map->trie.data(), data.data() + 4, size);
  map->replacements = data.substr(4 + size);
  if (utf8::valid_prefix(map->replacements) != map->replacements.size()) bad("replacements in UTF-8");
  return map;
}

// The shortest prefix of the key that is in the trie decides (a double-array trie of Darts' layout).
std::string_view Normalizer::Precompiled::find(std::string_view key, bool& found) const {
  const auto offset = [](std::uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); };
  found = false;
  if (trie.empty()) return {};
  std::size_t node = offset(trie[0]);
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    node ^= byte;
    if (node >= trie.size()) return {};
    const std::uint32_t unit = trie[node];
    if ((unit & ((1u << 31) | 0xff)) != byte) return {};
    node ^= offset(unit);
    if (unit >> 8 & 1) {
      if (node >= trie.size()) return {};
      const std::size_t start = trie[node] & 0x7fffffffu;
      if (start >= replacements.size()) return {};
      found = true;
      const std::size_t end = replacements.find('\0', start);
      std::string_view text(replacements);
      text = text.substr(start, end == std::string::npos ? end : end - start);
      // An offset into the middle of a character is a broken map.
      if (utf8::valid_prefix(text) != text.size()) found = false;
      return text;
    }
  }
  return {};
}

void Normalizer::run(const std::shared_ptr<const Precompiled>& step, std::string& text, std::size_t& zero) {
  std::string out;
  out.reserve(text.size());
  const bool at_start = zero > 0;
  bool changed = false, found;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = std::string_view(text).substr(at);
    const std::string_view cluster = rest.substr(0, unicode::grapheme_length(rest));
    at += cluster.size();
    if (cluster.size() < 6) {
      const std::string_view whole = step->find(cluster, found);
      if (found) {
        out += whole;
        changed = true;
        continue;
      }
    }
    for (std::size_t i = 0; i < cluster.size();) {
      const std::size_t start = i;
      utf8::next(cluster, i);
      const std::string_view character = cluster.substr(start, i - start);
      const std::string_view replacement = step->find(character, found);
      out += found ? replacement : character;
      changed |= found;
    }
  }
  if (!changed) return;
  text = std::move(out);
  zero = at_start && !text.empty() ? utf8::length_from_lead(static_cast<unsigned char>(text[0])) : 0;
}

}  // namespace moe
