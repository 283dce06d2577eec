// Tokens added to the model's vocabulary: found in the text before the model sees it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/text/normalizer.h"
#include "engine/text/vocab.h"

namespace moe {

struct AddedToken {
  std::string content;
  bool single_word = false, lstrip = false, rstrip = false, normalized = true, special = false;

  bool operator==(const AddedToken&) const = default;
};

// Finds the leftmost, and of those the longest, of a set of strings.
class TokenTrie {
 public:
  static constexpr std::size_t max_length = 1024;  // bytes of a token: bounds the work for a byte of text

  void add(std::string_view text, std::int32_t id);
  bool empty() const noexcept { return nodes_.size() == 1; }
  // The first match at or after `from`; false when there is none.
  bool find(std::string_view text, std::size_t from, std::size_t& start, std::size_t& end,
            std::int32_t& id) const noexcept;

 private:
  struct Node {
    std::int32_t id = -1;
    std::vector<std::pair<unsigned char, std::uint32_t>> children;
  };
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::uint32_t roots_[256] = {};
};

// Immutable after build(); safe to share between threads.
class AddedTokens {
 public:
  // Adds tokens in order, as the library's loader does: a token that the model or an earlier one has keeps
  // that id, any other gets the next id; the ids in the file do not count. Empty ones are passed over.
  void add(const AddedToken& token, const Vocab& model);
  // Call once after the last add(): builds what finds them. Throws Error (limit) for a token that is too
  // long.
  void build(const Normalizer& normalizer, std::string_view file);

  struct Found {
    std::size_t begin, end;
    std::int32_t id;  // -1: text between tokens
  };
  // Cuts `text` at the tokens that match it as it stands (normalized = false) or after normalization (true).
  void split(std::string_view text, bool normalized, const std::function<void(const Found&)>& visit) const;
  bool has_any(bool normalized) const noexcept {
    return !(normalized ? normalized_trie_ : plain_trie_).empty();
  }

  // Null when the id is not an added token's.
  const AddedToken* token(std::int32_t id) const;
  // What stands for the token in decoding: its normalized form where that differs.
  std::string_view decoded(std::int32_t id) const;
  std::int32_t find(std::string_view content) const;  // -1 when there is none
  bool is_special_text(std::string_view token) const { return special_.count(std::string(token)) != 0; }
  std::int32_t id_end() const noexcept { return id_end_; }
  // How many of them the model's vocabulary lacks.
  std::size_t count_beyond(const Vocab& model) const;

 private:
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<std::int32_t, AddedToken> tokens_;
  std::unordered_map<std::int32_t, std::string> normalized_text_;
  std::unordered_map<std::string, bool> special_;
  TokenTrie plain_trie_, normalized_trie_;
  std::int32_t id_end_ = 0, next_id_ = -1;
};

}  // namespace moe
