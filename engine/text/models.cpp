// The models other than BPE: whole words, word pieces, and the most likely pieces (Unigram).
#include "engine/text/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engine/base/error.h"
#include "engine/base/utf8.h"

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

WordPiece::WordPiece(Vocab vocab, Options options, std::string_view file)
    : vocab_(std::move(vocab)), options_(std::move(options)), trie_(vocab_, file) {
  continued_ = trie_.walk(VocabTrie::root, options_.continuing_subword_prefix);
}

void WordPiece::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  const std::size_t before = out.size();
  const auto give_up = [&] {
    out.resize(before);
    out.push_back(unknown(vocab_, options_.unk_token));
  };
  if (utf8::count(word) > options_.max_input_chars_per_word) return give_up();
  for (std::size_t start = 0; start < word.size();) {
    VocabTrie::Node node = start > 0 ? continued_ : VocabTrie::root;
    std::int32_t longest = -1;
    std::size_t end = start;
    // Tokens are whole characters, so where one ends a character ends.
    for (std::size_t at = start; at < word.size() && node != VocabTrie::none;) {
      node = trie_.child(node, static_cast<unsigned char>(word[at++]));
      if (node != VocabTrie::none && trie_.id(node) >= 0) longest = trie_.id(node), end = at;
    }
    if (longest < 0) return give_up();
    out.push_back(longest);
    start = end;
  }
}

Unigram::Unigram(Vocab vocab, std::vector<double> scores, std::optional<std::uint64_t> unk_id,
                 bool byte_fallback, std::string_view file)
    : vocab_(std::move(vocab)),
      scores_(std::move(scores)),
      byte_fallback_(byte_fallback),
      trie_(vocab_, file) {
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
    VocabTrie::Node node = VocabTrie::root;
    for (std::size_t at = start; at < word.size(); ++at) {
      node = trie_.child(node, static_cast<unsigned char>(word[at]));
      if (node == VocabTrie::none) break;
      const std::int32_t id = trie_.id(node);
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
