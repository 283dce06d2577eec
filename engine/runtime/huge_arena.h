// One region of memory handed out piece by piece, on huge pages where the system grants them: for all matrices of
// a model, and for the blocks of the key/value cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace moe {

// Address space is reserved at once and memory is taken as it is touched. Neighbouring pieces share huge pages,
// which a region for each would not do for small ones (experts). Not for sharing between threads.
class HugeArena {
 public:
  static constexpr std::int64_t kPage = std::int64_t{1} << 21;
  HugeArena() noexcept = default;
  // `what` names the memory in errors. Errors: limit, if the system refuses that much.
  HugeArena(std::int64_t bytes, std::string_view what);
  HugeArena(HugeArena&& other) noexcept;
  HugeArena& operator=(HugeArena&& other) noexcept;
  ~HugeArena();

  // What a piece of `bytes` takes up: pieces start at multiples of 64.
  static std::int64_t rounded(std::int64_t bytes) noexcept { return (bytes + 63) / 64 * 64; }
  // What a region takes up once its first `bytes` are touched, on huge pages.
  static std::int64_t touched(std::int64_t bytes) noexcept { return (bytes + kPage - 1) / kPage * kPage; }
  // The next `bytes`, zero. Errors: limit, if fewer are left.
  std::byte* take(std::int64_t bytes);
  std::int64_t left() const noexcept { return size_ - taken_; }
  // All pieces taken so far, side by side.
  std::span<const std::byte> taken() const noexcept { return {data_, static_cast<std::size_t>(taken_)}; }

 private:
  std::byte* data_ = nullptr;
  std::int64_t size_ = 0, taken_ = 0;
  std::string_view what_;
};

}  // namespace moe
