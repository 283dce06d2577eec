// The models other than BPE: whole words, word pieces, and the most likely pieces (Unigram).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/text/bpe.h"
#include "engine/text/vocab.h"
#include "engine/text/vocab_trie.h"

namespace moe {

// A word is a token, or unknown.
struct WordLevel {
  Vocab vocab;
  std::string unk_token = "<unk>";

  // Throws Error (config) for an unknown word when the vocabulary lacks unk_token.
  void encode(std::string_view word, std::vector<std::int32_t>& out) const;
};

// The longest token first, then the longest that continues it, or the whole word is unknown.
class WordPiece {
 public:
  struct Options {
    std::string unk_token = "[UNK]";
    std::string continuing_subword_prefix = "##";
    std::size_t max_input_chars_per_word = 100;
  };

  // Throws Error (limit) naming `file` for a token that is too long.
  WordPiece(Vocab vocab, Options options, std::string_view file);

  // Throws Error (config) for an unknown word when the vocabulary lacks unk_token.
  void encode(std::string_view word, std::vector<std::int32_t>& out) const;
  const Vocab& vocab() const noexcept { return vocab_; }

 private:
  Vocab vocab_;
  Options options_;
  VocabTrie trie_;
  VocabTrie::Node continued_;  // where tokens that continue a word begin
};

// The split of a word with the highest sum of scores; ties go to the longer last piece found first.
class Unigram {
 public:
  // `scores` by id. Throws Error naming `file`: format when unk_id is outside, limit for a token that is too
  // long.
  Unigram(Vocab vocab, std::vector<double> scores, std::optional<std::uint64_t> unk_id, bool byte_fallback,
          std::string_view file);

  // Throws Error (config) for an unknown character when there is no unk_id.
  void encode(std::string_view word, std::vector<std::int32_t>& out) const;
  const Vocab& vocab() const noexcept { return vocab_; }

 private:
  Vocab vocab_;
  std::vector<double> scores_;  // by id
  double unk_score_ = 0;
  std::int32_t unk_id_ = -1;
  bool byte_fallback_ = false;
  std::vector<std::int32_t> fallback_ids_;
  VocabTrie trie_;
};

using Model = std::variant<std::shared_ptr<const Bpe>, std::shared_ptr<const WordLevel>,
                           std::shared_ptr<const WordPiece>, std::shared_ptr<const Unigram>>;

inline const Vocab& vocab_of(const Model& model) {
  return std::visit(
      [](const auto& m) -> const Vocab& {
        if constexpr (requires { m->vocab(); })
          return m->vocab();
        else
          return m->vocab;
      },
      model);
}

}  // namespace moe
