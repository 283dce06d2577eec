#include "engine/runtime/model.h"

namespace moe {

std::string_view name(WeightPlace place) noexcept {
  switch (place) {
    case WeightPlace::memory: return "memory";
    case WeightPlace::packed_file: return "packed file";
    case WeightPlace::checkpoint: return "checkpoint";
  }
  return "";
}

void RowTable::read(std::int64_t row, float* out) const {
  const std::int64_t at = slice_.offset + row * slice_.row_stride;
  read_floats(tensor_->dtype, tensor_->data.data() + at * static_cast<std::int64_t>(size_of(tensor_->dtype)),
              std::size_t(cols_), slice_.col_stride, out);
}

std::int64_t RowTable::row_bytes() const { return cols_ * static_cast<std::int64_t>(size_of(tensor_->dtype)); }

}  // namespace moe
