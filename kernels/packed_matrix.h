// Weight matrices repacked for the kernels: tiles of 16 output rows, sequential over the input dimension.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace moe::kernels {

enum class WeightType : std::uint8_t { f32, f16, bf16 };

// Bytes of one stored weight.
std::int64_t weight_bytes(WeightType type) noexcept;
const char* weight_type_name(WeightType type) noexcept;

// A stored matrix [rows, cols] = [outputs, inputs]: element (r, c) lies at data + r * row_stride_bytes +
// c * col_stride_bytes, so transposed and row-interleaved tensors are views too. `data` may be unaligned.
struct MatrixView {
  WeightType type = WeightType::f32;
  const std::byte* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride_bytes = 0;
  std::int64_t col_stride_bytes = 0;
};

// The view of a row-major matrix without gaps.
MatrixView row_major(WeightType type, const void* data, std::int64_t rows, std::int64_t cols) noexcept;

// An opaque weight matrix in the layout of the kernels, on 64-byte aligned memory with huge pages where the
// system grants them. Move-only. Reading from several threads is safe; pack_tiles on disjoint ranges is too.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  // Room for [rows, cols] of `type`, contents undefined until every tile is packed. Throws
  // std::invalid_argument for negative or overflowing sizes, std::bad_alloc where memory is refused.
  PackedMatrix(WeightType type, std::int64_t rows, std::int64_t cols);
  ~PackedMatrix();
  PackedMatrix(PackedMatrix&& other) noexcept;
  PackedMatrix& operator=(PackedMatrix&& other) noexcept;
  PackedMatrix(const PackedMatrix&) = delete;
  PackedMatrix& operator=(const PackedMatrix&) = delete;

  bool empty() const noexcept { return rows_ == 0; }
  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t cols() const noexcept { return cols_; }
  WeightType type() const noexcept { return type_; }
  // Memory held, padding of the last tile included.
  std::int64_t bytes() const noexcept { return bytes_; }
  // Tiles of row_granularity() rows; the unit of pack_tiles.
  std::int64_t tiles() const noexcept;

  // For kernels/ alone: the layout of a tile is described in packed_matrix.cpp.
  const std::byte* tile(std::int64_t index) const noexcept { return data_ + index * tile_bytes_; }
  std::byte* tile(std::int64_t index) noexcept { return data_ + index * tile_bytes_; }
  std::int64_t tile_bytes() const noexcept { return tile_bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::int64_t rows_ = 0, cols_ = 0, tile_bytes_ = 0, bytes_ = 0;
  WeightType type_ = WeightType::f32;
};

// Output ranges passed to matmul start and end at multiples of this (or end at rows()).
inline constexpr std::int64_t row_granularity() noexcept { return 16; }

// The parts' rows, one part below the other, in a matrix of `type`. A part may have a narrower type than
// `type` where widening is exact (f16 or bf16 into f32); otherwise types must agree. Throws
// std::invalid_argument where the parts do not have equal columns or a type would lose bits.
PackedMatrix pack(std::span<const MatrixView> parts, WeightType type);
// The same with the type of the first part.
PackedMatrix pack(std::span<const MatrixView> parts);

// Packs tiles [tile_begin, tile_end) of `out`, whose shape must be that of the parts together: the way to
// load over several threads. Throws as pack does.
void pack_tiles(PackedMatrix& out, std::span<const MatrixView> parts, std::int64_t tile_begin,
                std::int64_t tile_end);

// One row widened to f32: out[0 .. cols). For embeddings that share the head's matrix.
void gather_row(const PackedMatrix& matrix, std::int64_t row, float* out) noexcept;

}  // namespace moe::kernels
