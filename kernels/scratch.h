// A thread-local buffer of floats that grows to its final size and stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace moe::kernels {

class Scratch {
 public:
  // 64-byte aligned room for n floats, contents undefined; valid until the next call. Ends the program
  // through noexcept callers if memory is refused, as a stack overflow would.
  float* floats(std::int64_t n) {
    if (n > size_) {
      const std::size_t bytes = (static_cast<std::size_t>(n) * sizeof(float) + 63) / 64 * 64;
      float* memory = static_cast<float*>(std::aligned_alloc(64, bytes));
      if (memory == nullptr) throw std::bad_alloc();
      memory_.reset(memory);
      size_ = n;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(float* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<float, Free> memory_;
  std::int64_t size_ = 0;
};

}  // namespace moe::kernels
