// A buffer of floats that grows to its final size and stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace moe::kernels {

class Scratch {
 public:
  // 64-byte aligned room for n floats; valid until a call asks for more. What grows loses its contents, so that it is
  // not in memory twice. Throws std::bad_alloc, which ends the program through noexcept callers, as a stack overflow
  // would.
  float* floats(std::int64_t n) {
    if (n > size_) {
      const std::size_t bytes = (static_cast<std::size_t>(n) * sizeof(float) + 63) / 64 * 64;
      memory_.reset();
      size_ = 0;
      memory_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
      if (memory_ == nullptr) throw std::bad_alloc();
      size_ = n;
    }
    return memory_.get();
  }
  const float* data() const noexcept { return memory_.get(); }

 private:
  struct Free {
    void operator()(float* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<float, Free> memory_;
  std::int64_t size_ = 0;
};

}  // namespace moe::kernels
