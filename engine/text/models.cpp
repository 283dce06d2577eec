// The models other than BPE: whole words, word pieces, and the most likely pieces (Unigram).
#include "engine/text/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engine/base/error.h"
#include "engine/text/utf8.h"

namespace moe {
namespace {

std::int32_t unknown(const Vocab& vocab, const std::string& unk_token) {
  const std::int32_t id = vocab.find(unk_token);
  if (id < 0)
    throw Error(ErrorKind::config,
                Fault{"", "unk_token", "a token of the vocabulary", "'" + unk_token + "'"});
  return id;
}

}  // namespace

void WordLevel::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  const std::int32_t id = vocab.find(word);
  out.push_back(id >= 0 ? id : unknown(vocab, unk_token));
}

void WordPiece::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  if (utf8::count(word) > max_input_chars_per_word) return out.push_back(unknown(vocab, unk_token));
  const std::size_t before = out.size();
  std::string prefixed;
  for (std::size_t start = 0; start < word.size();) {
    std::int32_t found = -1;
    std::size_t end = word.size();
    // No token is longer than the longest, so no longer piece need be looked up.
    if (end - start > longest_token) {
      end = start + longest_token;
      while (end > start && (static_cast<unsigned char>(word[end]) & 0xc0) == 0x80) --end;
    }
    while (start < end) {
      std::string_view piece = word.substr(start, end - start);
      if (start > 0) {
        prefixed = continuing_subword_prefix;
        prefixed += piece;
        piece = prefixed;
      }
      found = vocab.find(piece);
      if (found >= 0) break;
      utf8::previous(word, end);
    }
    if (found < 0) {
      out.resize(before);
      return out.push_back(unknown(vocab, unk_token));
    }
    out.push_back(found);
    start = end;
  }
}

Unigram::Unigram(Vocab vocab, std::vector<double> scores, std::optional<std::uint64_t> unk_id,
                 bool byte_fallback, std::string_view file)
    : vocab_(std::move(vocab)), scores_(std::move(scores)), byte_fallback_(byte_fallback) {
  if (unk_id && *unk_id >= scores_.size())
    throw Error(ErrorKind::format,
                Fault{std::string(file), "unk_id of the Unigram model",
                      fmt::format("less than {}, the size of the vocabulary", scores_.size()),
                      fmt::format("{}", *unk_id)});
  if (unk_id) unk_id_ = static_cast<std::int32_t>(*unk_id);
  double lowest = std::numeric_limits<double>::infinity();
  for (const double score : scores_) lowest = std::min(lowest, score);
  unk_score_ = lowest - 10.0;  // the penalty of SentencePiece
  fallback_ids_.resize(256);
  for (int b = 0; b < 256; ++b)
    fallback_ids_[static_cast<std::size_t>(b)] = vocab_.find(fmt::format("<0x{:02X}>", b));
  build_trie();
}

// A trie over the sorted tokens: the children of a node lie side by side, so a node is found by binary
// search.
void Unigram::build_trie() {
  std::vector<std::uint32_t> order(vocab_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return vocab_.entry_token(a) < vocab_.entry_token(b); });
  struct Range {
    std::uint32_t node, begin, end, depth;
  };
  nodes_.push_back({});
  std::vector<Range> todo{{0, 0, static_cast<std::uint32_t>(order.size()), 0}};
  for (std::size_t next = 0; next < todo.size(); ++next) {
    Range range = todo[next];
    while (range.begin < range.end && vocab_.entry_token(order[range.begin]).size() == range.depth)
      nodes_[range.node].id = vocab_.entry_id(order[range.begin++]);
    nodes_[range.node].first_edge = static_cast<std::uint32_t>(edges_.size());
    for (std::uint32_t i = range.begin; i < range.end;) {
      const auto byte = static_cast<unsigned char>(vocab_.entry_token(order[i])[range.depth]);
      std::uint32_t end = i;
      while (end < range.end &&
             static_cast<unsigned char>(vocab_.entry_token(order[end])[range.depth]) == byte)
        ++end;
      const auto node = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back({});
      edges_.push_back({byte, node});
      ++nodes_[range.node].edge_count;
      todo.push_back({node, i, end, range.depth + 1});
      i = end;
    }
  }
}

std::uint32_t Unigram::child(std::uint32_t node, unsigned char byte) const noexcept {
  const Edge* begin = edges_.data() + nodes_[node].first_edge;
  const Edge* end = begin + nodes_[node].edge_count;
  const Edge* it =
      std::lower_bound(begin, end, byte, [](const Edge& e, unsigned char b) { return e.byte < b; });
  return it != end && it->byte == byte ? it->node : 0;
}

void Unigram::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  struct Best {
    double score = 0;
    std::int32_t start = -1, id = 0;
  };
  if (word.empty()) return;
  std::vector<Best> best(word.size() + 1);
  for (std::size_t start = 0; start < word.size();) {
    const double here = best[start].score;
    const std::size_t length = utf8::length_from_lead(static_cast<unsigned char>(word[start]));
    bool single = false;
    const auto offer = [&](std::size_t end, double score, std::int32_t id) {
      if (best[end].start < 0 || score > best[end].score)
        best[end] = {score, static_cast<std::int32_t>(start), id};
    };
    std::uint32_t node = 0;
    for (std::size_t at = start; at < word.size(); ++at) {
      node = child(node, static_cast<unsigned char>(word[at]));
      if (node == 0) break;
      const std::int32_t id = nodes_[node].id;
      if (id < 0) continue;
      offer(at + 1, here + scores_[static_cast<std::size_t>(id)], id);
      if (at + 1 - start == length) single = true;
    }
    if (!single) {
      // An offer that loses needs no unknown token.
      const double score = here + unk_score_;
      Best& end = best[start + length];
      if (unk_id_ < 0 && (end.start < 0 || score > end.score))
        throw Error(ErrorKind::config,
                    Fault{"", "unk_id of the Unigram model", "an id for unknown characters", "none"});
      offer(start + length, score, unk_id_);
    }
    start += length;
  }
  // Back from the end; a run of unknown pieces is one.
  std::vector<std::pair<std::size_t, std::size_t>> pieces;
  bool after_unknown = false;
  for (std::size_t end = word.size(); end > 0;) {
    const Best& b = best[end];
    const auto start = static_cast<std::size_t>(b.start);
    const bool is_unknown = b.id == unk_id_;
    if (is_unknown && after_unknown)
      pieces.back().first = start;
    else
      pieces.emplace_back(start, end);
    after_unknown = is_unknown;
    end = start;
  }
  for (auto it = pieces.rbegin(); it != pieces.rend(); ++it) {
    const std::string_view piece = word.substr(it->first, it->second - it->first);
    const std::int32_t id = vocab_.find(piece);
    if (id >= 0) {
      out.push_back(id);
    } else if (byte_fallback_ && std::all_of(piece.begin(), piece.end(), [&](char b) {
                 return fallback_ids_[static_cast<unsigned char>(b)] >= 0;
               })) {
      for (const char b : piece) out.push_back(fallback_ids_[static_cast<unsigned char>(b)]);
    } else {
      if (unk_id_ < 0)
        throw Error(ErrorKind::config,
                    Fault{"", "unk_id of the Unigram model", "an id for unknown characters", "none"});
      out.push_back(unk_id_);
    }
  }
}

}  // namespace moe
