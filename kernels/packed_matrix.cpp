// Packing into tiles, and the memory the tiles live in.
//
// A tile holds 16 output rows. f32 and f16: [k][16]. bf16: [ceil(k / 2)][16][2], two neighbours in k side by
// side for each row: one 32-bit lane then widens to both with a shift and a mask, and the bf16 dot
// instructions take the lane as it is. Rows past the end and the odd k are zero.
#include "kernels/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/numerics.h"
#include "kernels/scalar_math.h"

namespace moe::kernels {
namespace {

constexpr std::int64_t kHugePage = std::int64_t{1} << 21;

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

float widen_stored(WeightType type, const std::byte* at) noexcept {
  switch (type) {
    case WeightType::f32:
      return load_unaligned<float>(at);
    case WeightType::f16:
      return widen_f16(load_unaligned<std::uint16_t>(at));
    case WeightType::bf16:
      return widen_bf16(load_unaligned<std::uint16_t>(at));
  }
  return 0.0F;
}

// One stored row into lane `lane` of a tile.
void pack_row(const MatrixView& part, std::int64_t row, WeightType type, std::byte* tile, int lane) noexcept {
  const std::byte* from = part.data + row * part.row_stride_bytes;
  const std::int64_t step = part.col_stride_bytes;
  if (type == WeightType::f32) {
    float* out = reinterpret_cast<float*>(tile) + lane;
    for (std::int64_t k = 0; k < part.cols; ++k) out[k * kLanes] = widen_stored(part.type, from + k * step);
  } else if (type == WeightType::f16) {
    auto* out = reinterpret_cast<std::uint16_t*>(tile) + lane;
    for (std::int64_t k = 0; k < part.cols; ++k)
      out[k * kLanes] = load_unaligned<std::uint16_t>(from + k * step);
  } else {
    auto* out = reinterpret_cast<std::uint16_t*>(tile) + 2 * lane;
    for (std::int64_t k = 0; k < part.cols; ++k) {
      out[(k / 2) * 2 * kLanes + k % 2] = load_unaligned<std::uint16_t>(from + k * step);
    }
  }
}

std::int64_t checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) throw std::invalid_argument("packed matrix: size overflows");
  return product;
}

void check_parts(std::span<const MatrixView> parts, WeightType type, std::int64_t cols) {
  for (const MatrixView& part : parts) {
    if (part.rows < 0 || part.cols != cols) {
      throw std::invalid_argument("packed matrix: expected parts of " + std::to_string(cols) +
                                  " columns, found " + std::to_string(part.rows) + " x " +
                                  std::to_string(part.cols));
    }
    if (part.type != type && type != WeightType::f32) {
      throw std::invalid_argument(std::string("packed matrix: expected ") + weight_type_name(type) +
                                  ", found " + weight_type_name(part.type));
    }
    if (part.data == nullptr && part.rows > 0 && part.cols > 0) {
      throw std::invalid_argument("packed matrix: a part has no data");
    }
  }
}

std::int64_t total_rows(std::span<const MatrixView> parts) {
  std::int64_t rows = 0;
  for (const MatrixView& part : parts) {
    if (__builtin_add_overflow(rows, part.rows, &rows)) {
      throw std::invalid_argument("packed matrix: size overflows");
    }
  }
  return rows;
}

}  // namespace

std::int64_t weight_bytes(WeightType type) noexcept { return type == WeightType::f32 ? 4 : 2; }

const char* weight_type_name(WeightType type) noexcept {
  switch (type) {
    case WeightType::f32:
      return "f32";
    case WeightType::f16:
      return "f16";
    case WeightType::bf16:
      return "bf16";
  }
  return "unknown";
}

MatrixView row_major(WeightType type, const void* data, std::int64_t rows, std::int64_t cols) noexcept {
  const std::int64_t size = weight_bytes(type);
  return {type, static_cast<const std::byte*>(data), rows, cols, cols * size, size};
}

PackedMatrix::PackedMatrix(WeightType type, std::int64_t rows, std::int64_t cols)
    : rows_(rows), cols_(cols), type_(type) {
  if (rows < 0 || cols < 0 || rows > std::numeric_limits<std::int64_t>::max() - kLanes ||
      cols == std::numeric_limits<std::int64_t>::max()) {
    throw std::invalid_argument("packed matrix: expected a shape, found " + std::to_string(rows) + " x " +
                                std::to_string(cols));
  }
  const std::int64_t padded_cols = type == WeightType::bf16 ? cols + cols % 2 : cols;
  tile_bytes_ = checked_multiply(checked_multiply(padded_cols, kLanes), weight_bytes(type));
  bytes_ = checked_multiply(tile_bytes_, tiles());
  if (bytes_ > 0) data_ = allocate(bytes_);
}

PackedMatrix::~PackedMatrix() {
  if (data_ != nullptr) release(data_, bytes_);
}

PackedMatrix::PackedMatrix(PackedMatrix&& other) noexcept { *this = std::move(other); }

PackedMatrix& PackedMatrix::operator=(PackedMatrix&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(rows_, other.rows_);
  std::swap(cols_, other.cols_);
  std::swap(tile_bytes_, other.tile_bytes_);
  std::swap(bytes_, other.bytes_);
  std::swap(type_, other.type_);
  return *this;
}

std::int64_t PackedMatrix::tiles() const noexcept { return (rows_ + kLanes - 1) / kLanes; }

void pack_tiles(PackedMatrix& out, std::span<const MatrixView> parts, std::int64_t tile_begin,
                std::int64_t tile_end) {
  check_parts(parts, out.type(), out.cols());
  if (total_rows(parts) != out.rows() || tile_begin < 0 || tile_end > out.tiles()) {
    throw std::invalid_argument("packed matrix: the parts' rows or the tile range do not fit");
  }
  std::size_t part = 0;
  std::int64_t part_begin = 0;  // first row of parts[part] in the matrix
  for (std::int64_t index = tile_begin; index < tile_end; ++index) {
    std::byte* tile = out.tile(index);
    const std::int64_t filled = std::min<std::int64_t>(kLanes, out.rows() - index * kLanes);
    if (filled < kLanes || out.cols() % 2 != 0)
      std::memset(tile, 0, static_cast<std::size_t>(out.tile_bytes()));
    for (int lane = 0; lane < filled; ++lane) {
      const std::int64_t row = index * kLanes + lane;
      while (row - part_begin >= parts[part].rows) part_begin += parts[part++].rows;
      pack_row(parts[part], row - part_begin, out.type(), tile, lane);
    }
  }
}

PackedMatrix pack(std::span<const MatrixView> parts, WeightType type) {
  const std::int64_t cols = parts.empty() ? 0 : parts.front().cols;
  check_parts(parts, type, cols);
  PackedMatrix out(type, total_rows(parts), cols);
  pack_tiles(out, parts, 0, out.tiles());
  return out;
}

PackedMatrix pack(std::span<const MatrixView> parts) {
  return pack(parts, parts.empty() ? WeightType::f32 : parts.front().type);
}

void gather_row(const PackedMatrix& matrix, std::int64_t row, float* out) noexcept {
  const std::byte* tile = matrix.tile(row / kLanes);
  const std::int64_t lane = row % kLanes;
  const std::int64_t cols = matrix.cols();
  if (matrix.type() == WeightType::f32) {
    const float* from = reinterpret_cast<const float*>(tile) + lane;
    for (std::int64_t k = 0; k < cols; ++k) out[k] = from[k * kLanes];
  } else if (matrix.type() == WeightType::f16) {
    const auto* from = reinterpret_cast<const std::uint16_t*>(tile) + lane;
    for (std::int64_t k = 0; k < cols; ++k) out[k] = widen_f16(from[k * kLanes]);
  } else {
    const auto* from = reinterpret_cast<const std::uint16_t*>(tile) + 2 * lane;
    for (std::int64_t k = 0; k < cols; ++k) out[k] = widen_bf16(from[(k / 2) * 2 * kLanes + k % 2]);
  }
}

}  // namespace moe::kernels
