// One region of memory for all matrices of a model, on huge pages where the system grants them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace moe {

// Address space is reserved at once and memory is taken as it is touched. Huge pages of neighbouring matrices
// are shared, which a region for each matrix would not do for small ones (experts). Not for sharing between
// threads.
class WeightMemory {
 public:
  WeightMemory() noexcept = default;
  // Errors: limit, if the system refuses that much.
  explicit WeightMemory(std::int64_t bytes);
  WeightMemory(WeightMemory&& other) noexcept;
  WeightMemory& operator=(WeightMemory&& other) noexcept;
  ~WeightMemory();

  // What a region of `bytes` takes up: regions start at multiples of 64.
  static std::int64_t rounded(std::int64_t bytes) noexcept { return (bytes + 63) / 64 * 64; }
  // The next `bytes`, zero. Errors: limit, if fewer are left.
  std::byte* take(std::int64_t bytes);

 private:
  std::byte* data_ = nullptr;
  std::int64_t size_ = 0, taken_ = 0;
};

}  // namespace moe
