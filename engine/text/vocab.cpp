// A vocabulary: token strings and their ids, both ways, in two flat tables.
#include "engine/text/vocab.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/base/error.h"

namespace moe {

void Vocab::grow(std::size_t tokens) {
  std::size_t capacity = 16;
  while (capacity < tokens * 2) capacity *= 2;
  if (capacity <= slots_.size()) return;
  slots_.assign(capacity, 0);
  mask_ = capacity - 1;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::size_t at = hash_bytes(view(entries_[i])) & mask_;
    while (slots_[at]) at = (at + 1) & mask_;
    slots_[at] = static_cast<std::uint32_t>(i + 1);
  }
}

void Vocab::reserve(std::size_t tokens, std::size_t bytes) {
  entries_.reserve(tokens);
  by_id_.reserve(tokens);
  text_.reserve(bytes);
  grow(tokens);
}

void Vocab::add(std::string_view token, std::uint64_t id, std::string_view file) {
  if (id > max_id)
    throw Error(ErrorKind::limit, Fault{std::string(file), fmt::format("id of token '{}'", token),
                                        fmt::format("at most {}", max_id), fmt::format("{}", id)});
  if (text_.size() + token.size() > UINT32_MAX)
    throw Error(ErrorKind::limit,
                Fault{std::string(file), "vocabulary", "less than 4 GiB of tokens", "more"});
  grow(entries_.size() + 1);
  std::size_t at = hash_bytes(token) & mask_;
  while (slots_[at] && view(entries_[slots_[at] - 1]) != token) at = (at + 1) & mask_;
  if (id >= by_id_.size()) by_id_.resize(static_cast<std::size_t>(id) + 1, 0);
  if (slots_[at]) {
    Entry& old = entries_[slots_[at] - 1];
    if (by_id_[old.id] == slots_[at]) by_id_[old.id] = 0;
    old.id = static_cast<std::uint32_t>(id);
  } else {
    entries_.push_back({static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(token.size()),
                        static_cast<std::uint32_t>(id)});
    text_ += token;
    slots_[at] = static_cast<std::uint32_t>(entries_.size());
  }
  by_id_[static_cast<std::size_t>(id)] = slots_[at];
}

void Vocab::find_all(std::span<const std::string_view> tokens, std::span<std::int32_t> ids) const noexcept {
  if (slots_.empty()) return std::fill(ids.begin(), ids.end(), -1);
  constexpr std::size_t together = 64;
  std::array<std::size_t, together> at;
  for (std::size_t first = 0; first < tokens.size(); first += together) {
    const std::size_t count = std::min(together, tokens.size() - first);
    const auto entry = [&](std::size_t i) { return slots_[at[i]] ? &entries_[slots_[at[i]] - 1] : nullptr; };
    for (std::size_t i = 0; i < count; ++i) {
      at[i] = hash_bytes(tokens[first + i]) & mask_;
      __builtin_prefetch(&slots_[at[i]]);
    }
    for (std::size_t i = 0; i < count; ++i)
      if (const Entry* e = entry(i)) __builtin_prefetch(e);
    for (std::size_t i = 0; i < count; ++i)
      if (const Entry* e = entry(i)) __builtin_prefetch(text_.data() + e->offset);
    for (std::size_t i = 0; i < count; ++i) ids[first + i] = find_from(at[i], tokens[first + i]);
  }
}

}  // namespace moe
