// A named, typed, shaped view into the bytes of a checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/dtype.h"

namespace moe {

// The bytes belong to the file the tensor came from and live as long as it does. Elements are little-endian,
// in C order, and need not be aligned: read them with read_floats or memcpy.
struct Tensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  // empty for a scalar
  std::span<const std::byte> data;  // elements() * size_of(dtype) bytes

  std::int64_t elements() const noexcept { return static_cast<std::int64_t>(data.size() / size_of(dtype)); }
};

// "[64, 24]"; a negative entry, which stands for any size, is shown as "any".
std::string shape_text(std::span<const std::int64_t> shape);

// All elements as floats, in C order. An error (format) for types that are no weights.
std::vector<float> to_floats(const Tensor& tensor);

}  // namespace moe
