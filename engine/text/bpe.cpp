// Byte-pair encoding: cutting words where no merge can cross, the cache of words, and the two merge loops.
#include "engine/text/bpe.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"
#include "engine/base/utf8.h"

namespace moe {
namespace {

// Pieces up to this many symbols are merged by scanning, longer ones with a heap.
constexpr std::size_t short_piece = 40;

// One cache line for a short word and its ids.
struct CachedWord {
  static constexpr std::size_t max_bytes = 30, max_ids = 8;
  std::uint8_t length = 0, count = 0;  // length 0: free
  char text[max_bytes];
  std::int32_t ids[max_ids];
};
static_assert(sizeof(CachedWord) == 64);

// The words a thread has met lately. A few tokenisers may take turns without losing theirs.
class WordCache {
 public:
  static constexpr std::size_t capacity = 1 << 15;

  static std::vector<CachedWord>& of(std::uint64_t serial) {
    thread_local std::array<WordCache, 4> caches;
    thread_local std::size_t oldest = 0;
    for (WordCache& cache : caches)
      if (cache.serial_ == serial) return cache.words_;
    WordCache& cache = caches[oldest++ % caches.size()];
    cache.words_.assign(capacity, CachedWord{});
    cache.serial_ = serial;
    return cache.words_;
  }

 private:
  std::uint64_t serial_ = 0;
  std::vector<CachedWord> words_;
};

}  // namespace

void MergeTable::reserve(std::size_t merges) {
  std::size_t capacity = 2;
  while (capacity < merges * 2) capacity *= 2;
  if (capacity <= entries_.size()) return;
  std::vector<Entry> old = std::move(entries_);
  entries_.assign(capacity, Entry{});
  mask_ = capacity - 1;
  size_ = 0;
  for (const Entry& e : old)
    if (e.key != free_key)
      add(static_cast<std::int32_t>(e.key >> 32), static_cast<std::int32_t>(e.key & UINT32_MAX), e.merge);
}

void MergeTable::add(std::int32_t left, std::int32_t right, Merge merge) {
  if ((size_ + 1) * 2 > entries_.size()) reserve(std::max<std::size_t>(size_ * 2, 8));
  const std::uint64_t key = pack(left, right);
  std::size_t at = slot(key);
  while (entries_[at].key != free_key && entries_[at].key != key) at = (at + 1) & mask_;
  size_ += entries_[at].key == free_key;
  entries_[at] = {key, merge};
}

void Bpe::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  if (word.empty()) return;
  if (options_.ignore_merges) {
    const std::int32_t id = vocab_.find(word);
    if (id >= 0) return out.push_back(id);
  }
  encode_pieces(word, false, out);
}

void Bpe::encode_bytes(std::string_view word, std::vector<std::int32_t>& out) const {
  if (word.empty()) return;
  if (options_.ignore_merges && word.size() > CachedWord::max_bytes) {
    const std::int32_t id = raw_.find(word);
    if (id >= 0) return out.push_back(id);
  }
  encode_pieces(word, true, out);
}

void Bpe::encode_pieces(std::string_view word, bool bytes, std::vector<std::int32_t>& out) const {
  if (bytes ? word.size() <= CachedWord::max_bytes : !can_cut_) return encode_cached(word, bytes, out);
  std::size_t start = 0;
  if (bytes) {
    for (std::size_t at = 1; at < word.size(); ++at) {
      const std::size_t bit = static_cast<std::size_t>(static_cast<unsigned char>(word[at - 1])) << 8 |
                              static_cast<unsigned char>(word[at]);
      if (byte_joins_[bit >> 6] >> (bit & 63) & 1) continue;
      // With ignore_merges a part must not be taken for a whole word: only merges count here.
      encode_piece(word.substr(start, at - start), true, out);
      start = at;
    }
    return encode_piece(word.substr(start), true, out);
  }
  std::size_t at = 0;
  char32_t left = utf8::next(word, at);
  while (at < word.size()) {
    const std::size_t here = at;
    const char32_t right = utf8::next(word, at);
    const std::size_t bit = join_bit(left, right);
    if (!(joins_[bit >> 6] >> (bit & 63) & 1)) {
      encode_cached(word.substr(start, here - start), false, out);
      start = here;
    }
    left = right;
  }
  encode_cached(word.substr(start), false, out);
}

void Bpe::encode_cached(std::string_view piece, bool bytes, std::vector<std::int32_t>& out) const {
  if (piece.size() > CachedWord::max_bytes) return encode_piece(piece, bytes, out);
  // The two ways of reading a word never meet in one tokeniser, so the cache need not tell them apart.
  static_assert(WordCache::capacity == 1 << 15);
  thread_local std::uint64_t last_serial = 0;
  thread_local CachedWord* words = nullptr;
  if (last_serial != serial_) {
    words = WordCache::of(serial_).data();
    last_serial = serial_;
  }
  CachedWord& slot = words[hash_bytes(piece) & (WordCache::capacity - 1)];
  if (slot.length == piece.size() && std::memcmp(slot.text, piece.data(), piece.size()) == 0) {
    out.insert(out.end(), slot.ids, slot.ids + slot.count);
    return;
  }
  const std::size_t before = out.size();
  std::int32_t whole = -1;
  if (bytes && options_.ignore_merges) whole = raw_.find(piece);
  if (whole >= 0)
    out.push_back(whole);
  else
    encode_piece(piece, bytes, out);
  const std::size_t count = out.size() - before;
  if (count > CachedWord::max_ids) return;
  slot.length = static_cast<std::uint8_t>(piece.size());
  slot.count = static_cast<std::uint8_t>(count);
  std::memcpy(slot.text, piece.data(), piece.size());
  std::copy(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), slot.ids);
}

void Bpe::encode_piece(std::string_view piece, bool bytes, std::vector<std::int32_t>& out) const {
  std::vector<std::int32_t> ids;
  ids.reserve(piece.size());
  if (bytes)
    for (const char b : piece) ids.push_back(byte_ids_[static_cast<unsigned char>(b)]);
  else
    characters(piece, ids);
  if (ids.size() <= short_piece)
    merge_short(ids);
  else
    merge_long(ids);
  out.insert(out.end(), ids.begin(), ids.end());
}

// The symbols a word starts from. A run of unknown characters is one unknown token with fuse_unk; one that
// byte tokens interrupt goes behind them, as in the library.
void Bpe::characters(std::string_view word, std::vector<std::int32_t>& ids) const {
  const bool plain = options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty();
  std::string spelt;
  int unknown = 0;  // unknown tokens not written yet
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t start = at;
    utf8::next(word, at);
    std::string_view symbol = word.substr(start, at - start);
    std::int32_t id;
    if (plain) {
      const auto byte = static_cast<unsigned char>(symbol[0]);
      id = byte < 0x80 ? ascii_ids_[byte] : vocab_.find(symbol);
    } else {
      spelt.clear();
      if (start > 0) spelt += options_.continuing_subword_prefix;
      spelt += symbol;
      if (at == word.size()) spelt += options_.end_of_word_suffix;
      symbol = spelt;
      id = vocab_.find(symbol);
    }
    if (id >= 0) {
      if (unknown) ids.push_back(unk_id_), unknown = 0;
      ids.push_back(id);
      continue;
    }
    if (options_.byte_fallback && std::all_of(symbol.begin(), symbol.end(), [&](char b) {
          return fallback_ids_[static_cast<unsigned char>(b)] >= 0;
        })) {
      for (const char b : symbol) ids.push_back(fallback_ids_[static_cast<unsigned char>(b)]);
      continue;
    }
    if (!options_.unk_token) continue;  // dropped
    if (unk_id_ < 0)
      throw Error(ErrorKind::config, Fault{"", "unk_token", "a token of the vocabulary",
                                           fmt::format("'{}'", *options_.unk_token)});
    if (unknown && !options_.fuse_unk) ids.push_back(unk_id_);
    unknown = 1;
  }
  if (unknown) ids.push_back(unk_id_);
}

void Bpe::merge_short(std::vector<std::int32_t>& ids) const {
  std::size_t n = ids.size();
  if (n < 2) return;
  MergeTable::Merge pairs[short_piece];
  for (std::size_t i = 0; i + 1 < n; ++i) pairs[i] = merges_.find(ids[i], ids[i + 1]);
  for (;;) {
    std::size_t best = 0;
    std::uint32_t rank = MergeTable::none;
    for (std::size_t i = 0; i + 1 < n; ++i)
      if (pairs[i].rank < rank) rank = pairs[i].rank, best = i;
    if (rank == MergeTable::none) break;
    ids[best] = static_cast<std::int32_t>(pairs[best].id);
    --n;
    for (std::size_t i = best + 1; i < n; ++i) ids[i] = ids[i + 1];
    for (std::size_t i = best + 1; i + 1 < n; ++i) pairs[i] = pairs[i + 1];
    if (best > 0) pairs[best - 1] = merges_.find(ids[best - 1], ids[best]);
    if (best + 1 < n) pairs[best] = merges_.find(ids[best], ids[best + 1]);
  }
  ids.resize(n);
}

// The same with a heap of (rank, position): n log n for words of any length.
void Bpe::merge_long(std::vector<std::int32_t>& ids) const {
  struct Candidate {
    std::uint64_t key;  // rank << 32 | position
    std::uint32_t id;
    bool operator>(const Candidate& other) const noexcept { return key > other.key; }
  };
  const std::size_t n = ids.size();
  std::vector<Symbol> symbols(n);
  std::vector<Candidate> heap;
  heap.reserve(n);
  const auto candidate = [&](std::size_t left, std::size_t right) -> std::optional<Candidate> {
    const MergeTable::Merge merge = merges_.find(symbols[left].id, symbols[right].id);
    if (merge.rank == MergeTable::none) return std::nullopt;
    return Candidate{static_cast<std::uint64_t>(merge.rank) << 32 | left, merge.id};
  };
  for (std::size_t i = 0; i < n; ++i)
    symbols[i] = {ids[i], static_cast<std::int32_t>(i) - 1,
                  i + 1 < n ? static_cast<std::int32_t>(i + 1) : -1};
  for (std::size_t i = 0; i + 1 < n; ++i)
    if (const auto c = candidate(i, i + 1)) heap.push_back(*c);
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto push = [&](const Candidate& c) {
    heap.push_back(c);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    const Candidate top = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    const std::size_t at = top.key & UINT32_MAX;
    Symbol& left = symbols[at];
    if (left.id < 0 || left.next < 0) continue;  // joined to another already, or last
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    const MergeTable::Merge now = merges_.find(left.id, right.id);
    if (now.rank == MergeTable::none || now.id != top.id) continue;  // the pair has changed since
    left.id = static_cast<std::int32_t>(top.id);
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = static_cast<std::int32_t>(at);
    if (left.previous >= 0)
      if (const auto c = candidate(static_cast<std::size_t>(left.previous), at)) push(*c);
    if (left.next >= 0)
      if (const auto c = candidate(at, static_cast<std::size_t>(left.next))) push(*c);
  }
  ids.clear();
  for (std::int32_t at = 0; at >= 0; at = symbols[static_cast<std::size_t>(at)].next)
    ids.push_back(symbols[static_cast<std::size_t>(at)].id);
}

}  // namespace moe
