// Byte-pair encoding: a word becomes its characters (or bytes), then the pair of the lowest rank is joined
// until no rank is left. Ids are those of the `tokenizers` library's BPE model.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/vocab.h"

namespace moe {

struct BpeOptions {
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix, end_of_word_suffix;
  bool fuse_unk = false, byte_fallback = false, ignore_merges = false;
};

// (left id, right id) -> (rank, joined id), in one flat table.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank, id;
  };
  static constexpr std::uint32_t none = UINT32_MAX;

  void reserve(std::size_t merges);
  // A pair that is there already gets the new rank.
  void add(std::int32_t left, std::int32_t right, Merge merge);
  // rank is `none` when the pair is not joined.
  Merge find(std::int32_t left, std::int32_t right) const noexcept {
    const std::uint64_t key = pack(left, right);
    for (std::size_t at = slot(key);; at = (at + 1) & mask_) {
      const Entry& e = entries_[at];
      if (e.key == key) return e.merge;
      if (e.key == free_key) return {none, 0};
    }
  }
  std::size_t size() const noexcept { return size_; }
  // Asks for the place of a pair that will be added soon.
  void prefetch(std::int32_t left, std::int32_t right) const noexcept {
    __builtin_prefetch(&entries_[slot(pack(left, right))], 1);
  }

 private:
  struct Entry {
    std::uint64_t key = free_key;
    Merge merge{none, 0};
  };
  static constexpr std::uint64_t free_key = UINT64_MAX;
  static std::uint64_t pack(std::int32_t left, std::int32_t right) noexcept {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  std::size_t slot(std::uint64_t key) const noexcept {
    key *= 0x9e3779b97f4a7c15ull;
    return (key ^ key >> 32) & mask_;
  }
  std::vector<Entry> entries_ = std::vector<Entry>(2);
  std::size_t mask_ = 1, size_ = 0;
};

// Immutable after construction; encode() may run in any number of threads.
class Bpe {
 public:
  // Throws Error (format) naming the file when a part or the result of a merge is not in the vocabulary.
  class Builder;

  // Appends the ids of one pre-tokenised word (valid UTF-8).
  void encode(std::string_view word, std::vector<std::int32_t>& out) const;
  // The same for a word of plain bytes that a byte-level pre-tokeniser would have spelt in its alphabet.
  // Only when takes_bytes().
  void encode_bytes(std::string_view word, std::vector<std::int32_t>& out) const;
  // True when every byte of UTF-8 has a token of its own and nothing but merges shapes a word, so that the
  // spelling out of bytes can be skipped.
  bool takes_bytes() const noexcept { return takes_bytes_; }

  const Vocab& vocab() const noexcept { return vocab_; }

 private:
  struct Symbol {
    std::int32_t id;
    std::int32_t previous, next;
  };
  Bpe() = default;
  static constexpr std::size_t join_bits = 1 << 19;
  static std::size_t join_bit(char32_t left, char32_t right) noexcept {
    const std::uint64_t key = (static_cast<std::uint64_t>(left) << 21 | right) * 0x9e3779b97f4a7c15ull;
    return static_cast<std::size_t>(key >> 45);
  }
  void encode_pieces(std::string_view word, bool bytes, std::vector<std::int32_t>& out) const;
  void encode_cached(std::string_view piece, bool bytes, std::vector<std::int32_t>& out) const;
  void encode_piece(std::string_view piece, bool bytes, std::vector<std::int32_t>& out) const;
  void characters(std::string_view word, std::vector<std::int32_t>& ids) const;
  void merge_short(std::vector<std::int32_t>& ids) const;
  void merge_long(std::vector<std::int32_t>& ids) const;

  Vocab vocab_;
  MergeTable merges_;
  BpeOptions options_;
  std::int32_t unk_id_ = -1;
  std::array<std::int32_t, 256> byte_ids_{};      // the token of each byte of the byte-level alphabet
  std::array<std::int32_t, 256> fallback_ids_{};  // the tokens <0x00> ... <0xFF>
  std::array<std::int32_t, 128> ascii_ids_{};     // the token of each ASCII character
  bool takes_bytes_ = false, can_cut_ = false;
  Vocab raw_;  // the byte-level vocabulary by raw bytes, for ignore_merges
  // No merge joins two characters (bytes) that stand beside each other unless their bit is set: everywhere
  // else a word can be cut without changing its ids. Bits are shared by several pairs, which only costs cuts.
  std::vector<std::uint64_t> joins_;
  std::vector<std::uint64_t> byte_joins_;
  std::uint64_t serial_ = 0;  // tells the caches of two tokenisers apart

  friend class Builder;
};

class Bpe::Builder {
 public:
  explicit Builder(std::string file) : bpe_(new Bpe), file_(std::move(file)) {}
  Vocab& vocab() { return bpe_->vocab_; }
  BpeOptions& options() { return bpe_->options_; }
  void reserve_merges(std::size_t count) { bpe_->merges_.reserve(count); }
  // Left, right, left, right, ... in order of rank, after the vocabulary and the options are complete. May be
  // called again for those that follow.
  void add_merges(std::span<const std::string_view> parts);
  std::shared_ptr<const Bpe> build();

 private:
  static constexpr std::size_t kMergesTogether = 32;

  std::shared_ptr<Bpe> bpe_;
  void make_joins();
  void add_batch(std::span<const std::string_view> parts);
  // Remembers which characters, and bytes, this merge joins.
  void note_boundary(std::string_view left, std::string_view right);
  void find_symbols();
  void find_raw_vocabulary();

  std::string file_, joined_, left_bytes_, right_bytes_;
  std::uint32_t rank_ = 0;
  bool merges_fallback_ = false;  // a merge joins a <0xHH> token
};

}  // namespace moe
