#include "engine/checkpoint/tensor.h"

#include <fmt/format.h>

namespace moe {

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) out += ", ";
    out += shape[i] < 0 ? "any" : std::to_string(shape[i]);
  }
  return out + "]";
}

std::vector<float> to_floats(const Tensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  read_floats(tensor.dtype, tensor.data.data(), out.size(), 1, out.data());
  return out;
}

}  // namespace moe
