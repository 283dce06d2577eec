// Weight matrices repacked for the kernels: tiles of 16 output rows, sequential over the input dimension.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/compute.h"
#include "kernels/numerics.h"

namespace moe::kernels {

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

// The view of a row-major matrix of floats without gaps.
MatrixView row_major(WeightType type, const void* data, std::int64_t rows, std::int64_t cols) noexcept;

// stacked: tile t holds rows 16 t and on. gate_up: a matrix of two halves, gate rows above up rows, whose
// tiles alternate (gate rows 16 j and on in tile 2 j, the up rows that go with them in tile 2 j + 1), so that
// one product has both numbers of an output at hand: it yields rows() / 2 outputs.
enum class RowOrder : std::uint8_t { stacked, gate_up };

// Which layout pack() gives: another number for every change that gives other bytes for the same weights,
// because packed matrices are kept in files. The layout depends on neither the kernel table nor the place in
// memory.
inline constexpr std::uint32_t kPackedLayoutVersion = 4;

// Bytes of a packed [rows, cols], padding of and between tiles included; one region whatever the type. Throws
// std::invalid_argument for negative, odd (gate_up) or overflowing sizes.
std::int64_t packed_bytes(WeightType type, std::int64_t rows, std::int64_t cols,
                          RowOrder order = RowOrder::stacked);

// An opaque weight matrix in the layout of the kernels, on 64-byte aligned memory: its own, with huge pages
// where the system grants them, or borrowed. Move-only. Reading from several threads is safe; pack_tiles on
// disjoint ranges is too.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  // Room for [rows, cols] of `type`, contents undefined until every tile is packed. Throws
  // std::invalid_argument for negative, odd (gate_up) or overflowing sizes, std::bad_alloc where memory is
  // refused.
  PackedMatrix(WeightType type, std::int64_t rows, std::int64_t cols, RowOrder order = RowOrder::stacked);
  // The same over memory that somebody else owns and that outlives the matrix: packed_bytes() of them at a
  // multiple of
  // 64. A matrix over read-only memory that holds packed tiles is good for everything but pack_tiles.
  static PackedMatrix over(std::byte* memory, WeightType type, std::int64_t rows, std::int64_t cols,
                           RowOrder order = RowOrder::stacked);
  // A matrix that keeps its parts as they are stored and is packed tile by tile in the course of each
  // product, which multiply() does: for weights that are larger than memory. The parts' data must outlive it.
  // Throws as pack does.
  static PackedMatrix unpacked(std::vector<MatrixView> parts, WeightType type,
                               RowOrder order = RowOrder::stacked);
  ~PackedMatrix();
  PackedMatrix(PackedMatrix&& other) noexcept;
  PackedMatrix& operator=(PackedMatrix&& other) noexcept;
  PackedMatrix(const PackedMatrix&) = delete;
  PackedMatrix& operator=(const PackedMatrix&) = delete;

  bool empty() const noexcept { return rows_ == 0; }
  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t cols() const noexcept { return cols_; }
  WeightType type() const noexcept { return type_; }
  RowOrder order() const noexcept { return order_; }
  // Numbers a product with this matrix gives for a row of inputs.
  std::int64_t outputs() const noexcept { return order_ == RowOrder::gate_up ? rows_ / 2 : rows_; }
  // The parts of an unpacked matrix, which has no tiles of its own.
  bool is_unpacked() const noexcept { return !parts_.empty(); }
  std::span<const MatrixView> parts() const noexcept { return parts_; }
  // Memory taken once packed, padding included.
  std::int64_t bytes() const noexcept { return bytes_; }
  // Tiles of row_granularity() rows; the unit of pack_tiles.
  std::int64_t tiles() const noexcept;

  // For kernels/ alone: the layout of a tile is described in tile_layout.h.
  const std::byte* tile(std::int64_t index) const noexcept { return data_ + index * tile_stride_; }
  std::byte* tile(std::int64_t index) noexcept { return data_ + index * tile_stride_; }
  std::int64_t tile_bytes() const noexcept { return tile_bytes_; }
  std::int64_t tile_stride() const noexcept { return tile_stride_; }  // from one tile to the next, tile_bytes() or more
  // The row in a lane of a tile, -1 past the end; and where a row is.
  std::int64_t row_of(std::int64_t tile, int lane) const noexcept;
  struct Place {
    std::int64_t tile;
    int lane;
  };
  Place place_of(std::int64_t row) const noexcept;

 private:
  struct Unplaced {};
  PackedMatrix(Unplaced, WeightType type, std::int64_t rows, std::int64_t cols, RowOrder order);

  std::byte* data_ = nullptr;
  std::int64_t rows_ = 0, cols_ = 0, tile_bytes_ = 0, tile_stride_ = 0, bytes_ = 0;
  WeightType type_ = WeightType::f32;
  RowOrder order_ = RowOrder::stacked;
  bool owned_ = false;
  std::vector<MatrixView> parts_;
};

// Output ranges passed to matmul start and end at multiples of this (or end at outputs()).
inline constexpr std::int64_t row_granularity() noexcept { return 16; }

// The parts' rows, one part below the other, in a matrix of `type`. A part may have a narrower type than
// `type` where widening is exact (f16 or bf16 into f32), and any type of float is quantised into q8 and q4;
// otherwise types must agree. Throws std::invalid_argument where the parts do not have equal columns or a
// type does not fit.
PackedMatrix pack(std::span<const MatrixView> parts, WeightType type, RowOrder order = RowOrder::stacked);
// The same with the type of the first part.
PackedMatrix pack(std::span<const MatrixView> parts);

// Packs tiles [tile_begin, tile_end) of `out`, whose shape must be that of the parts together: the way to
// load over several threads. Throws as pack does.
void pack_tiles(PackedMatrix& out, std::span<const MatrixView> parts, std::int64_t tile_begin,
                std::int64_t tile_end);
// The same tiles of an unpacked matrix, at out.
void pack_tiles(const PackedMatrix& unpacked, std::int64_t tile_begin, std::int64_t tile_end,
                std::byte* out) noexcept;

// One row widened to f32: out[0 .. cols). For embeddings that share the head's matrix.
void gather_row(const PackedMatrix& matrix, std::int64_t row, float* out) noexcept;

}  // namespace moe::kernels
