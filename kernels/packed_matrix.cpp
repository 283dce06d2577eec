// The shape of a packed matrix, and the memory its tiles live in.
#include "kernels/packed_matrix.h"

#include <sys/mman.h>

#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/numerics.h"
#include "kernels/tile_layout.h"

namespace moe::kernels {
namespace {

constexpr std::int64_t kHugePage = std::int64_t{1} << 21, kLineBytes = 64;

// From the size of a huge page on memory is mapped by itself, so that neighbouring matrices can share huge
// pages and unused space is never touched.
std::byte* allocate(std::int64_t bytes) {
  if (bytes >= kHugePage) {
    void* memory = mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, static_cast<std::size_t>(bytes), MADV_HUGEPAGE);  // a wish; small pages serve too
    return static_cast<std::byte*>(memory);
  }
  void* memory = std::aligned_alloc(64, static_cast<std::size_t>((bytes + 63) / 64 * 64));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

void release(std::byte* memory, std::int64_t bytes) noexcept {
  if (bytes >= kHugePage) {
    munmap(memory, static_cast<std::size_t>(bytes));
  } else {
    std::free(memory);
  }
}

std::int64_t bytes_of_tile(WeightType type, std::int64_t cols) noexcept {
  switch (type) {
    case WeightType::f32:
      return cols * 4 * kLanes;
    case WeightType::f16:
      return cols * 2 * kLanes;
    case WeightType::bf16:
      return (cols + cols % 2) * 2 * kLanes;
    case WeightType::q8:
    case WeightType::q4:
      return quantised_tile_bytes(type, cols);
  }
  return 0;
}

// An odd number of lines: tiles that are read side by side then lie in different sets of the caches.
std::int64_t stride_of_tiles(WeightType type, std::int64_t cols) noexcept {
  const std::int64_t bytes = bytes_of_tile(type, cols);
  return bytes == 0 ? 0 : ((bytes + kLineBytes - 1) / kLineBytes | 1) * kLineBytes;
}

std::int64_t checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) throw std::invalid_argument("packed matrix: size overflows");
  return product;
}

std::int64_t tiles_of(std::int64_t rows, RowOrder order) noexcept {
  return order == RowOrder::gate_up ? 2 * ((rows / 2 + kLanes - 1) / kLanes) : (rows + kLanes - 1) / kLanes;
}

}  // namespace

const char* weight_type_name(WeightType type) noexcept {
  switch (type) {
    case WeightType::f32:
      return "f32";
    case WeightType::f16:
      return "f16";
    case WeightType::bf16:
      return "bf16";
    case WeightType::q8:
      return "q8";
    case WeightType::q4:
      return "q4";
  }
  return "unknown";
}

const char* compute_name(Compute compute) noexcept {
  switch (compute) {
    case Compute::f32:
      return "f32";
    case Compute::bf16:
      return "bf16";
    case Compute::int8:
      return "int8";
  }
  return "unknown";
}

std::int64_t stored_bytes(WeightType type, std::int64_t rows, std::int64_t cols) noexcept {
  switch (type) {
    case WeightType::f32:
      return rows * cols * 4;
    case WeightType::f16:
    case WeightType::bf16:
      return rows * cols * 2;
    case WeightType::q8:
    case WeightType::q4:
      return rows * quant_groups(cols) * (group_bytes(type) / kLanes + 2);
  }
  return 0;
}

MatrixView row_major(WeightType type, const void* data, std::int64_t rows, std::int64_t cols) noexcept {
  const std::int64_t size = type == WeightType::f32 ? 4 : 2;
  return {type, static_cast<const std::byte*>(data), rows, cols, cols * size, size};
}

std::int64_t packed_bytes(WeightType type, std::int64_t rows, std::int64_t cols, RowOrder order) {
  if (rows < 0 || cols < 0 || rows > std::numeric_limits<std::int64_t>::max() - kLanes ||
      cols > std::numeric_limits<std::int64_t>::max() - 2) {
    throw std::invalid_argument("packed matrix: expected a shape, found " + std::to_string(rows) + " x " +
                                std::to_string(cols));
  }
  if (order == RowOrder::gate_up && rows % 2 != 0) {
    throw std::invalid_argument("packed matrix: gate and up rows differ in number");
  }
  checked_multiply(cols + 2, std::int64_t{4} * kLanes);  // no type has longer tiles, two lines between them included
  return checked_multiply(stride_of_tiles(type, cols), tiles_of(rows, order));
}

PackedMatrix::PackedMatrix(Unplaced, WeightType type, std::int64_t rows, std::int64_t cols, RowOrder order)
    : rows_(rows), cols_(cols), bytes_(packed_bytes(type, rows, cols, order)), type_(type), order_(order) {
  tile_bytes_ = bytes_of_tile(type, cols);
  tile_stride_ = stride_of_tiles(type, cols);
}

PackedMatrix::PackedMatrix(WeightType type, std::int64_t rows, std::int64_t cols, RowOrder order)
    : PackedMatrix(Unplaced{}, type, rows, cols, order) {
  if (bytes_ == 0) return;
  data_ = allocate(bytes_);
  owned_ = true;
}

PackedMatrix PackedMatrix::over(std::byte* memory, WeightType type, std::int64_t rows, std::int64_t cols,
                                RowOrder order) {
  PackedMatrix matrix(Unplaced{}, type, rows, cols, order);
  matrix.data_ = memory;
  return matrix;
}

PackedMatrix::~PackedMatrix() {
  if (owned_) release(data_, bytes_);
}

PackedMatrix::PackedMatrix(PackedMatrix&& other) noexcept { *this = std::move(other); }

PackedMatrix& PackedMatrix::operator=(PackedMatrix&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(rows_, other.rows_);
  std::swap(cols_, other.cols_);
  std::swap(tile_bytes_, other.tile_bytes_);
  std::swap(tile_stride_, other.tile_stride_);
  std::swap(bytes_, other.bytes_);
  std::swap(type_, other.type_);
  std::swap(order_, other.order_);
  std::swap(owned_, other.owned_);
  std::swap(parts_, other.parts_);
  return *this;
}

std::int64_t PackedMatrix::tiles() const noexcept { return tiles_of(rows_, order_); }

std::int64_t PackedMatrix::row_of(std::int64_t tile, int lane) const noexcept {
  if (order_ == RowOrder::stacked) {
    const std::int64_t row = tile * kLanes + lane;
    return row < rows_ ? row : -1;
  }
  const std::int64_t row = tile / 2 * kLanes + lane;
  return row < rows_ / 2 ? tile % 2 * (rows_ / 2) + row : -1;
}

PackedMatrix::Place PackedMatrix::place_of(std::int64_t row) const noexcept {
  if (order_ == RowOrder::stacked) return {row / kLanes, static_cast<int>(row % kLanes)};
  const std::int64_t half = rows_ / 2, within = row % half;
  return {within / kLanes * 2 + row / half, static_cast<int>(within % kLanes)};
}

}  // namespace moe::kernels
