#include "engine/runtime/model.h"

#include <algorithm>

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
  const auto size = static_cast<std::int64_t>(size_of(tensor_->dtype));
  const std::int64_t span =
      ((cols_ - 1) * slice_.col_stride + 1) * size;  // from the first component to the last
  thread_local std::vector<std::byte> bytes;
  bytes.resize(std::max(bytes.size(), std::size_t(span)));
  const auto first = std::size_t((slice_.offset + row * slice_.row_stride) * size);
  checkpoint_->copy(*tensor_, tensor_->data.subspan(first, std::size_t(span)), bytes.data());
  read_floats(tensor_->dtype, bytes.data(), std::size_t(cols_), slice_.col_stride, out);
}

std::int64_t RowTable::row_bytes() const { return cols_ * static_cast<std::int64_t>(size_of(tensor_->dtype)); }

}  // namespace moe
