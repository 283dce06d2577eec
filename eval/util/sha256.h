// SHA-256 (FIPS 180-4): the fingerprints that records carry, equal to those lm_eval writes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace moe::eval {

class Sha256 {
 public:
  Sha256() noexcept;
  Sha256& update(std::string_view bytes) noexcept;
  // Lower-case hexadecimal, 64 characters. The object is finished afterwards.
  std::string hex();

 private:
  void block(const unsigned char* data) noexcept;

  std::array<std::uint32_t, 8> state_;
  std::array<unsigned char, 64> buffer_;
  std::size_t buffered_ = 0;
  std::uint64_t length_ = 0;
};

std::string sha256_hex(std::string_view bytes);

// Fingerprint of a file's bytes. Throws Error (io) naming the file.
std::string sha256_of_file(const std::string& path);

}  // namespace moe::eval
