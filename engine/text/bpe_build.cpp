// Byte-pair encoding: making a model of its vocabulary and merges.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/utf8.h"
#include "engine/text/bpe.h"
#include "engine/text/byte_level.h"

namespace moe {
namespace {

// Bytes that occur in valid UTF-8.
bool occurs(int byte) { return byte < 0xc0 || (byte >= 0xc2 && byte <= 0xf4); }

bool is_fallback_token(std::string_view token) {
  return token.size() == 6 && token.substr(0, 3) == "<0x" && token[5] == '>';
}

}  // namespace

void Bpe::Builder::make_joins() {
  if (!bpe_->joins_.empty()) return;
  bpe_->joins_.resize(join_bits / 64);
  bpe_->byte_joins_.resize(65536 / 64);
}

void Bpe::Builder::add_merges(std::span<const std::string_view> parts) {
  make_joins();
  for (std::size_t i = 0; i + 1 < parts.size(); i += 2 * kMergesTogether)
    add_batch(parts.subspan(i, std::min(2 * kMergesTogether, (parts.size() - i) / 2 * 2)));
}

// A merge looks up three tokens and one place of the merge table, each somewhere else in memory: those of a
// batch are waited for together.
void Bpe::Builder::add_batch(std::span<const std::string_view> parts) {
  Bpe& bpe = *bpe_;
  const std::size_t merges = parts.size() / 2, prefix = bpe.options_.continuing_subword_prefix.size();
  std::array<std::string_view, 3 * kMergesTogether> tokens;  // the parts, then what they join to
  std::array<std::int32_t, 3 * kMergesTogether> ids;
  std::copy(parts.begin(), parts.end(), tokens.begin());
  const auto rest = [&](std::size_t i) { return parts[2 * i + 1].substr(std::min(prefix, parts[2 * i + 1].size())); };
  joined_.clear();
  for (std::size_t i = 0; i < merges; ++i) (joined_ += parts[2 * i]) += rest(i);
  for (std::size_t i = 0, end = 0; i < merges; ++i) {
    const std::size_t begin = std::exchange(end, end + parts[2 * i].size() + rest(i).size());
    tokens[2 * merges + i] = std::string_view(joined_).substr(begin, end - begin);
  }
  bpe.vocab_.find_all(std::span(tokens).first(3 * merges), ids);
  for (std::size_t i = 0; i < merges; ++i) bpe.merges_.prefetch(ids[2 * i], ids[2 * i + 1]);
  for (std::size_t i = 0; i < merges; ++i) {
    const std::string_view left = tokens[2 * i], right = tokens[2 * i + 1];
    const auto known = [&](std::size_t at) {
      if (ids[at] >= 0) return ids[at];
      throw Error(ErrorKind::format, Fault{file_, fmt::format("merge {} of the BPE model", rank_),
                                           "tokens of the vocabulary", fmt::format("'{}'", tokens[at])});
    };
    const std::int32_t left_id = known(2 * i), right_id = known(2 * i + 1);
    if (right.size() < prefix)
      throw Error(ErrorKind::format,
                  Fault{file_, fmt::format("merge {} of the BPE model", rank_),
                        fmt::format("a right part that starts with '{}'", bpe.options_.continuing_subword_prefix),
                        fmt::format("'{}'", right)});
    bpe.merges_.add(left_id, right_id, {rank_, static_cast<std::uint32_t>(known(2 * merges + i))});
    ++rank_;
    note_boundary(left, right);
  }
}

void Bpe::Builder::note_boundary(std::string_view left, std::string_view right) {
  if (left.empty() || right.empty()) return;
  if (is_fallback_token(left) || is_fallback_token(right)) merges_fallback_ = true;
  std::size_t last = left.size(), first = 0;
  const std::size_t bit = join_bit(utf8::previous(left, last), utf8::next(right, first));
  bpe_->joins_[bit >> 6] |= 1ull << (bit & 63);
  if (byte_level::unspell(left, left_bytes_) && byte_level::unspell(right, right_bytes_)) {
    const std::size_t pair = static_cast<std::size_t>(static_cast<unsigned char>(left_bytes_.back())) << 8 |
                             static_cast<unsigned char>(right_bytes_.front());
    bpe_->byte_joins_[pair >> 6] |= 1ull << (pair & 63);
  }
}

void Bpe::Builder::find_symbols() {
  Bpe& bpe = *bpe_;
  const BpeOptions& options = bpe.options_;
  if (options.unk_token) bpe.unk_id_ = bpe.vocab_.find(*options.unk_token);
  const bool plain = options.continuing_subword_prefix.empty() && options.end_of_word_suffix.empty();
  bool all_bytes = true, all_fallbacks = true;
  for (int b = 0; b < 256; ++b) {
    const auto i = static_cast<std::size_t>(b);
    bpe.byte_ids_[i] = bpe.vocab_.find(utf8::encode(byte_level::characters()[i]));
    bpe.fallback_ids_[i] = bpe.vocab_.find(fmt::format("<0x{:02X}>", b));
    if (b < 128) bpe.ascii_ids_[i] = bpe.vocab_.find(std::string(1, static_cast<char>(b)));
    if (occurs(b) && bpe.byte_ids_[i] < 0) all_bytes = false;
    if (occurs(b) && bpe.fallback_ids_[i] < 0) all_fallbacks = false;
  }
  bpe.takes_bytes_ = plain && all_bytes;
  // With an unknown character dropped or fused, or byte tokens merged, what stands beside what is no longer
  // what the text says.
  bpe.can_cut_ = plain && options.byte_fallback && all_fallbacks && !merges_fallback_;
}

void Bpe::Builder::find_raw_vocabulary() {
  Bpe& bpe = *bpe_;
  if (!bpe.takes_bytes_ || !bpe.options_.ignore_merges) return;
  const Vocab& vocab = bpe.vocab_;
  bpe.raw_.reserve(vocab.size(), vocab.size() * 8);
  for (std::size_t i = 0; i < vocab.size(); ++i)
    if (byte_level::unspell(vocab.entry_token(i), left_bytes_))
      bpe.raw_.add(left_bytes_, static_cast<std::uint64_t>(vocab.entry_id(i)), file_);
}

std::shared_ptr<const Bpe> Bpe::Builder::build() {
  static std::atomic<std::uint64_t> serials{0};
  bpe_->serial_ = ++serials;
  make_joins();
  find_symbols();
  find_raw_vocabulary();
  return std::move(bpe_);
}

}  // namespace moe
