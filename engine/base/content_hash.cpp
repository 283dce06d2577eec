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

constexpr std::size_t kLanes = 8;
constexpr std::size_t kStripe = kLanes * sizeof(std::uint64_t);
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio, odd
constexpr std::uint64_t kRoot = 0xb504f333f9de6485;    // 2^63 times the square root of two, odd

using Lanes = std::array<std::uint64_t, kLanes>;

std::uint64_t load_word(const std::byte* p) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, p, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

void absorb(Lanes& lanes, const std::byte* stripe) noexcept {
  Lanes words;
  for (std::size_t i = 0; i < kLanes; ++i) words[i] = load_word(stripe + i * sizeof(std::uint64_t));
  // A lane's step is one-to-one in its own word; the neighbour's word is added so that a change has to go
  // unseen in two lanes, 128 bits, to go unseen.
  for (std::size_t i = 0; i < kLanes; ++i) {
    lanes[i] = std::rotl(lanes[i] ^ words[i], 29) * kGolden + words[(i + 3) % kLanes];
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
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = spread(kRoot * (i + 1));
  std::size_t at = 0;
  for (; piece.size() - at >= kStripe; at += kStripe) absorb(lanes, piece.data() + at);
  if (at != piece.size()) {  // the rest, padded with zeros; the length below tells padding from contents
    std::array<std::byte, kStripe> rest{};
    std::copy(piece.begin() + static_cast<std::ptrdiff_t>(at), piece.end(), rest.begin());
    absorb(lanes, rest.data());
  }
  Hash128 hash{spread(piece.size() ^ kGolden), spread(piece.size() ^ kRoot)};
  for (std::size_t i = 0; i < kLanes; ++i) {
    hash.low = spread(std::rotl(hash.low, 23) ^ lanes[i]);
    hash.high = spread(std::rotl(hash.high, 41) + lanes[kLanes - 1 - i] * kRoot);
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
