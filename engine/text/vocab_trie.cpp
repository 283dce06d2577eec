// A trie over the tokens of a vocabulary: which of them a text begins with.
#include "engine/text/vocab_trie.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "engine/base/error.h"

namespace moe {

VocabTrie::VocabTrie(const Vocab& vocab, std::string_view file) {
  std::vector<std::uint32_t> order(vocab.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return vocab.entry_token(a) < vocab.entry_token(b); });
  // Tokens that begin alike lie together: each node is a range of them, taken apart by the next byte.
  struct Range {
    Node node;
    std::size_t begin, end, depth;
  };
  std::vector<Range> todo{{root, 0, order.size(), 0}};
  const auto byte_at = [&](std::size_t i, std::size_t depth) {
    return static_cast<unsigned char>(vocab.entry_token(order[i])[depth]);
  };
  for (std::size_t next = 0; next < todo.size(); ++next) {
    Range range = todo[next];
    if (range.depth > max_length)
      throw Error(ErrorKind::limit,
                  Fault{std::string(file), fmt::format("token {}", vocab.entry_id(order[range.begin])),
                        fmt::format("at most {} bytes", max_length),
                        fmt::format("{} bytes", vocab.entry_token(order[range.begin]).size())});
    while (range.begin < range.end && vocab.entry_token(order[range.begin]).size() == range.depth)
      places_[range.node].id = vocab.entry_id(order[range.begin++]);
    places_[range.node].first_edge = static_cast<std::uint32_t>(edges_.size());
    for (std::size_t i = range.begin; i < range.end;) {
      const unsigned char byte = byte_at(i, range.depth);
      std::size_t end = i;
      while (end < range.end && byte_at(end, range.depth) == byte) ++end;
      const auto node = static_cast<Node>(places_.size());
      places_.emplace_back();
      edges_.push_back({byte, node});
      ++places_[range.node].edge_count;
      todo.push_back({node, i, end, range.depth + 1});
      i = end;
    }
  }
}

VocabTrie::Node VocabTrie::child(Node node, unsigned char byte) const noexcept {
  const Edge* begin = edges_.data() + places_[node].first_edge;
  const Edge* end = begin + places_[node].edge_count;
  const Edge* it =
      std::lower_bound(begin, end, byte, [](const Edge& e, unsigned char b) { return e.byte < b; });
  return it != end && it->byte == byte ? it->to : none;
}

VocabTrie::Node VocabTrie::walk(Node node, std::string_view text) const noexcept {
  for (const char c : text) {
    node = child(node, static_cast<unsigned char>(c));
    if (node == none) break;
  }
  return node;
}

}  // namespace moe
