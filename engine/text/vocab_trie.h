// A trie over the tokens of a vocabulary: which of them a text begins with.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/text/vocab.h"

namespace moe {

// Immutable; safe to share between threads.
class VocabTrie {
 public:
  using Node = std::uint32_t;
  static constexpr Node root = 0, none = UINT32_MAX;
  static constexpr std::size_t max_length = 1024;  // bytes of a token: bounds the work for a byte of text

  VocabTrie() = default;
  // Throws Error (limit) naming `file` for a token that is too long.
  VocabTrie(const Vocab& vocab, std::string_view file);

  // The node one byte further; none where no token goes on so.
  Node child(Node node, unsigned char byte) const noexcept;
  Node walk(Node node, std::string_view text) const noexcept;
  // The token that ends here; -1 when there is none.
  std::int32_t id(Node node) const noexcept { return places_[node].id; }

 private:
  struct Place {
    std::uint32_t first_edge = 0, edge_count = 0;
    std::int32_t id = -1;
  };
  struct Edge {
    unsigned char byte;
    Node to;
  };
  std::vector<Place> places_ = std::vector<Place>(1);
  std::vector<Edge> edges_;  // those of a node side by side, by byte
};

}  // namespace moe
