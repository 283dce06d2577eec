#include "engine/base/content_hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/base/files.h"

namespace moe {
namespace {

constexpr std::size_t kLanes = 4;
constexpr std::size_t kStripe = kLanes * 2 * sizeof(std::uint64_t);
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio, odd
constexpr std::uint64_t kRoot = 0xb504f333f9de6485;    // 2^63 times the square root of two, odd
__extension__ using Wide = unsigned __int128;

// Two halves of the hash that see the same words and share nothing else.
struct Lanes {
  std::array<std::uint64_t, kLanes> low;
  std::array<std::uint64_t, kLanes> high;
};

std::uint64_t load_word(const std::byte* p) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, p, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

// The full product folded to one word: every bit of either factor reaches all of it, which a product cut to
// 64 bits does not do for high bits.
std::uint64_t fold_product(std::uint64_t a, std::uint64_t b) noexcept {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

void absorb(Lanes& lanes, const std::byte* stripe) noexcept {
  for (std::size_t i = 0; i < kLanes; ++i) {
    const std::uint64_t a = load_word(stripe + 16 * i);
    const std::uint64_t b = load_word(stripe + 16 * i + 8);
    lanes.low[i] = fold_product(lanes.low[i] ^ a, b ^ kGolden) + b;
    lanes.high[i] = fold_product(lanes.high[i] ^ std::rotl(b, 32), std::rotl(a, 32) ^ kRoot) + a;
  }
}

// Spreads every bit of a word over all of it.
std::uint64_t spread(std::uint64_t x) noexcept {
  x ^= x >> 32;
  x *= kGolden;
  x ^= x >> 29;
  x *= kRoot;
  x ^= x >> 32;
  return x;
}

}  // namespace

std::string Hash128::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

Hash128 hash_piece(std::span<const std::byte> piece) noexcept {
  Lanes lanes;
  for (std::size_t i = 0; i < kLanes; ++i) {
    lanes.low[i] = spread(kGolden * (i + 1));
    lanes.high[i] = spread(kRoot * (i + 1));
  }
  std::size_t at = 0;
  for (; piece.size() - at >= kStripe; at += kStripe) absorb(lanes, piece.data() + at);
  if (at != piece.size()) {  // the rest, padded with zeros; the length below tells padding from contents
    std::array<std::byte, kStripe> rest{};
    std::copy(piece.begin() + static_cast<std::ptrdiff_t>(at), piece.end(), rest.begin());
    absorb(lanes, rest.data());
  }
  Hash128 hash{spread(piece.size() ^ kGolden), spread(piece.size() ^ kRoot)};
  for (std::size_t i = 0; i < kLanes; ++i) {
    hash.low = spread(std::rotl(hash.low, 23) ^ lanes.low[i]);
    hash.high = spread(std::rotl(hash.high, 41) ^ lanes.high[i]);
  }
  return hash;
}

Hash128 combine_pieces(std::span<const Hash128> pieces, std::uint64_t bytes) {
  std::vector<std::byte> all;
  all.reserve((2 * pieces.size() + 1) * sizeof(std::uint64_t));
  const auto append = [&all](std::uint64_t word) {
    for (unsigned shift = 0; shift < 64; shift += 8) all.push_back(static_cast<std::byte>(word >> shift));
  };
  for (const Hash128& piece : pieces) {
    append(piece.low);
    append(piece.high);
  }
  append(bytes);
  return hash_piece(all);
}

Hash128 content_hash(std::span<const std::byte> contents) {
  std::vector<Hash128> pieces;
  pieces.reserve(contents.size() / kContentHashPiece + 1);
  for (std::size_t at = 0; at < contents.size(); at += kContentHashPiece) {
    pieces.push_back(hash_piece(contents.subspan(at, std::min(kContentHashPiece, contents.size() - at))));
  }
  return combine_pieces(pieces, contents.size());
}

Hash128 content_hash_of_file(const std::filesystem::path& path, unsigned threads) {
  const OpenedFile file = open_for_reading(path);
  std::vector<Hash128> pieces(
      static_cast<std::size_t>((file.size + kContentHashPiece - 1) / kContentHashPiece));
  std::atomic<std::size_t> next{0};
  std::mutex guard;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      std::vector<std::byte> buffer(kContentHashPiece);
      for (std::size_t i = next++; i < pieces.size(); i = next++) {
        const std::uint64_t begin = std::uint64_t{i} * kContentHashPiece;
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(kContentHashPiece, file.size - begin));
        const std::span<std::byte> piece = std::span(buffer).first(size);
        read_exactly(file.fd, begin, piece, path);
        pieces[i] = hash_piece(piece);
      }
    } catch (...) {
      const std::scoped_lock lock(guard);
      if (!failure) failure = std::current_exception();
      next = pieces.size();
    }
  };
  {
    std::vector<std::jthread> helpers;
    const std::size_t useful = std::min<std::size_t>(std::max(threads, 1U), pieces.size());
    for (std::size_t i = 1; i < useful; ++i) helpers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  return combine_pieces(pieces, file.size);
}

}  // namespace moe
