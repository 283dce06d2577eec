#include "kernels/packed_input.h"

#include <new>

#include "kernels/kernel_table.h"

namespace moe::kernels {

void PackedInput::bind(const KernelTable& table, Compute compute, const float* x, std::ptrdiff_t ldx,
                       std::int64_t rows, std::int64_t cols, const std::int32_t* source) {
  x_ = x;
  ldx_ = ldx;
  source_ = source;
  all_ = {};
  all_.compute = compute;
  all_.rows = rows;
  all_.cols = cols;
  borrowed_ = compute == Compute::f32 && (rows == 1 || (source == nullptr && suits_products(ldx)));
  if (borrowed_) {
    all_.data = reinterpret_cast<const std::byte*>(this->source(0));
    all_.row_bytes = ldx * static_cast<std::int64_t>(sizeof(float));
    all_.block_stride = kBlockK * static_cast<std::int64_t>(sizeof(float));
    return;
  }
  const std::int64_t blocks = (cols + kBlockK - 1) / kBlockK;
  const std::int64_t element = compute == Compute::f32    ? 4
                               : compute == Compute::bf16 ? table.bf16_input_bytes
                                                          : 1;
  all_.row_bytes = kBlockK * element;
  all_.block_stride = rows * all_.row_bytes;
  groups_offset_ = blocks * all_.block_stride;
  std::int64_t bytes = groups_offset_;
  if (compute == Compute::int8) {
    all_.group_stride = rows;
    bytes += blocks * rows * static_cast<std::int64_t>(sizeof(InputGroups));
  }
  if (bytes > capacity_) {
    const std::int64_t padded = (bytes + 63) / 64 * 64;
    data_.reset();
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(64, static_cast<std::size_t>(padded))));
    capacity_ = data_ == nullptr ? 0 : bytes;
    if (data_ == nullptr) throw std::bad_alloc();
  }
  all_.data = data_.get();
  if (compute == Compute::int8) all_.groups = group_block(0, 0);
}

InputRows PackedInput::rows(std::int64_t begin, std::int64_t count) const noexcept {
  InputRows part = all_;
  part.rows = count;
  part.data += begin * all_.row_bytes;
  if (part.groups != nullptr) part.groups += begin;
  return part;
}

}  // namespace moe::kernels
