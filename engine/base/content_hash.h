// A fast 128-bit hash of gigabytes: tells whether contents changed. Not cryptographic: whoever wants a
// collision can make one; use sha256.h against that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace moe {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  // 32 lower-case hexadecimal digits.
  std::string hex() const;
};

// Contents are cut into pieces of this many bytes (the last may be shorter); each is hashed by itself and the
// results are hashed in order, so that pieces can be computed by any number of threads. The value depends on
// the bytes alone, not on the machine or the number of threads.
inline constexpr std::size_t kContentHashPiece = std::size_t{1} << 20;

// The hash of one piece.
Hash128 hash_piece(std::span<const std::byte> piece) noexcept;
// The hash of contents of `bytes` bytes from the hashes of their pieces.
Hash128 combine_pieces(std::span<const Hash128> pieces, std::uint64_t bytes);

Hash128 content_hash(std::span<const std::byte> contents);
// The same for a file, read with `threads` threads (at least one) and without mapping it, so that the
// process's resident memory does not grow. Errors: io.
Hash128 content_hash_of_file(const std::filesystem::path& path, unsigned threads = 1);

}  // namespace moe
