// A vocabulary: token strings and their ids, both ways, in two flat tables.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace moe {

// Mixes the bytes of a short string; the same everywhere, so tables can be built once and asked by anyone.
inline std::uint64_t hash_bytes(std::string_view text) noexcept {
  constexpr std::uint64_t k = 0x9e3779b97f4a7c15ull;
  std::uint64_t h = text.size() * k;
  const char* p = text.data();
  std::size_t left = text.size();
  const auto mix = [&h](std::uint64_t word) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(h ^ word) * 0xd6e8feb86659fd93ull;
    h = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  for (; left >= 8; left -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    mix(word);
  }
  if (left) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, left);
    mix(word + k);
  }
  return h ^ h >> 29;
}

// Immutable once loaded; then safe to share between threads.
class Vocab {
 public:
  // Ids from here on are refused: a table indexed by id must stay small.
  static constexpr std::uint64_t max_id = (1u << 22) - 1;

  // A token that is there already gets the new id; an id that is there already gets the new token.
  // Throws Error (limit) naming `file` when the id is above max_id.
  void add(std::string_view token, std::uint64_t id, std::string_view file);
  void reserve(std::size_t tokens, std::size_t bytes);

  // -1 when there is no such token.
  std::int32_t find(std::string_view token) const noexcept {
    return slots_.empty() ? -1 : find_from(hash_bytes(token) & mask_, token);
  }
  // ids[i] of tokens[i]. Look-ups in a large vocabulary mostly wait for memory; these wait together.
  void find_all(std::span<const std::string_view> tokens, std::span<std::int32_t> ids) const noexcept;
  bool has(std::int64_t id) const noexcept {
    return id >= 0 && static_cast<std::size_t>(id) < by_id_.size() &&
           by_id_[static_cast<std::size_t>(id)] != 0;
  }
  // Empty where there is no such id.
  std::string_view token(std::int64_t id) const noexcept {
    return has(id) ? view(entries_[by_id_[static_cast<std::size_t>(id)] - 1]) : std::string_view();
  }
  // Distinct token strings.
  std::size_t size() const noexcept { return entries_.size(); }
  // One past the largest id.
  std::size_t id_end() const noexcept { return by_id_.size(); }
  // The tokens in the order of the file: index below size().
  std::string_view entry_token(std::size_t index) const noexcept { return view(entries_[index]); }
  std::int32_t entry_id(std::size_t index) const noexcept {
    return static_cast<std::int32_t>(entries_[index].id);
  }

 private:
  struct Entry {
    std::uint32_t offset, length, id;
  };
  std::string_view view(const Entry& e) const noexcept { return {text_.data() + e.offset, e.length}; }
  std::int32_t find_from(std::size_t slot, std::string_view token) const noexcept {
    for (;; slot = (slot + 1) & mask_) {
      const std::uint32_t entry = slots_[slot];
      if (entry == 0) return -1;
      if (view(entries_[entry - 1]) == token) return static_cast<std::int32_t>(entries_[entry - 1].id);
    }
  }
  void grow(std::size_t tokens);

  std::string text_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // index into entries_ + 1; 0 is free
  std::vector<std::uint32_t> by_id_;  // likewise
  std::size_t mask_ = 0;
};

}  // namespace moe
