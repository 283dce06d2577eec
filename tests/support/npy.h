// Reads NumPy files of little-endian float32 in C order: what the reference scripts write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace moe::test {

struct NpyArray {
  std::vector<std::int64_t> shape;
  std::vector<float> values;  // C order

  std::int64_t rows() const { return shape.at(0); }
  std::int64_t cols() const { return shape.at(1); }
  const float* row(std::int64_t i) const { return values.data() + i * cols(); }
};

// Throws std::runtime_error naming the file and what is wrong with it.
NpyArray read_npy(const std::filesystem::path& path);

}  // namespace moe::test
