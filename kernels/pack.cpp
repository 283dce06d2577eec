// Packing into tiles, and reading back.
#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/packed_matrix.h"
#include "kernels/quantise.h"
#include "kernels/scalar_math.h"
#include "kernels/tile_layout.h"

namespace moe::kernels {
namespace {

float widen_stored(WeightType type, const std::byte* at) noexcept {
  switch (type) {
    case WeightType::f32:
      return load_unaligned<float>(at);
    case WeightType::f16:
      return widen_f16(load_unaligned<std::uint16_t>(at));
    default:
      return widen_bf16(load_unaligned<std::uint16_t>(at));
  }
}

// One stored row of the matrix.
struct StoredRow {
  WeightType type = WeightType::f32;
  const std::byte* data = nullptr;  // null: a row past the end
  std::int64_t stride = 0;
};

// The stored rows of a tile, found among the parts.
class RowFinder {
 public:
  RowFinder(std::span<const MatrixView> parts, const PackedMatrix& matrix) : parts_(parts), matrix_(matrix) {}

  void find(std::int64_t tile, StoredRow (&rows)[kLanes]) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const std::int64_t row = matrix_.row_of(tile, lane);
      rows[lane] = row < 0 ? StoredRow() : at(row);
    }
  }

 private:
  StoredRow at(std::int64_t row) {
    if (row < part_begin_) part_ = part_begin_ = 0;
    while (row - part_begin_ >= parts_[static_cast<std::size_t>(part_)].rows) {
      part_begin_ += parts_[static_cast<std::size_t>(part_++)].rows;
    }
    const MatrixView& part = parts_[static_cast<std::size_t>(part_)];
    return {part.type, part.data + (row - part_begin_) * part.row_stride_bytes, part.col_stride_bytes};
  }

  std::span<const MatrixView> parts_;
  const PackedMatrix& matrix_;
  std::int64_t part_ = 0, part_begin_ = 0;
};

// One stored row into lane `lane` of a tile of floats.
void pack_row(const StoredRow& row, std::int64_t cols, WeightType type, std::byte* tile, int lane) noexcept {
  const std::byte* from = row.data;
  if (type == WeightType::f32) {
    float* out = reinterpret_cast<float*>(tile) + lane;
    for (std::int64_t k = 0; k < cols; ++k) out[k * kLanes] = widen_stored(row.type, from + k * row.stride);
  } else if (type == WeightType::f16) {
    auto* out = reinterpret_cast<std::uint16_t*>(tile) + lane;
    for (std::int64_t k = 0; k < cols; ++k) {
      out[k * kLanes] = load_unaligned<std::uint16_t>(from + k * row.stride);
    }
  } else {
    auto* out = reinterpret_cast<std::uint16_t*>(tile) + 2 * lane;
    for (std::int64_t k = 0; k < cols; ++k) {
      out[(k / 2) * 2 * kLanes + k % 2] = load_unaligned<std::uint16_t>(from + k * row.stride);
    }
  }
}

// Whole rows without gaps, already in the tile's type: out is written in order, and rows are read side by
// side. A unit is what one lane holds of one step of the tile: a number, or a pair of bf16.
template <class Unit>
void interleave(const StoredRow (&rows)[kLanes], std::int64_t units, std::byte* out) noexcept {
  for (std::int64_t u = 0; u < units; ++u) {
    Unit step[kLanes];
    for (int lane = 0; lane < kLanes; ++lane)
      step[lane] = load_unaligned<Unit>(rows[lane].data + u * sizeof(Unit));
    std::memcpy(out + u * sizeof(step), step, sizeof(step));
  }
}

// Packs a whole tile of floats if its rows allow it.
bool pack_interleaved(const StoredRow (&rows)[kLanes], std::int64_t cols, WeightType type,
                      std::byte* tile) noexcept {
  const std::int64_t element = type == WeightType::f32 ? 4 : 2;
  for (const StoredRow& row : rows) {
    if (row.data == nullptr || row.type != type || row.stride != element) return false;
  }
  if (type == WeightType::f16) {
    interleave<std::uint16_t>(rows, cols, tile);
  } else if (type == WeightType::f32) {
    interleave<std::uint32_t>(rows, cols, tile);
  } else if (cols % 2 == 0) {
    interleave<std::uint32_t>(rows, cols / 2, tile);
  } else {
    return false;
  }
  return true;
}

void store_quants(WeightType type, const QuantGroup& quants, std::byte* out) noexcept {
  const int offset = quant_offset(type);
  for (int k = 0; k < kQuantGroup; ++k) {
    const int quad = k / 4;
    for (int lane = 0; lane < kLanes; ++lane) {
      const auto stored = static_cast<std::byte>(quants[k][lane] + offset);
      if (type == WeightType::q8) {
        out[quad * 4 * kLanes + lane * 4 + k % 4] = stored;
      } else if (std::byte& both = out[quad % 4 * 4 * kLanes + lane * 4 + k % 4]; quad < 4) {
        both = stored;
      } else {
        both |= stored << 4;
      }
    }
  }
}

void pack_quantised(const StoredRow (&rows)[kLanes], const PackedMatrix& shape, std::byte* tile) noexcept {
  const std::int64_t cols = shape.cols();
  for (std::int64_t group = 0; group < quant_groups(cols); ++group) {
    WeightGroup weights = {};
    QuantGroup quants;
    auto* scales = reinterpret_cast<std::uint16_t*>(tile + scales_offset(shape.type(), group));
    if (group % 2 == 0) std::memset(scales, 0, kPairScaleBytes);
    const std::int64_t k_begin = group * kQuantGroup,
                       count = std::min<std::int64_t>(kQuantGroup, cols - k_begin);
    for (int lane = 0; lane < kLanes; ++lane) {
      if (rows[lane].data == nullptr) continue;
      const std::byte* from = rows[lane].data + k_begin * rows[lane].stride;
      for (std::int64_t k = 0; k < count; ++k) {
        weights[k][lane] = widen_stored(rows[lane].type, from + k * rows[lane].stride);
      }
    }
    if (shape.type() == WeightType::q8) {
      quantise_q8(weights, scales, quants);
    } else {
      quantise_q4(weights, scales, quants);
    }
    store_quants(shape.type(), quants, tile + quants_offset(shape.type(), group));
  }
}

bool is_quantised(WeightType type) { return type == WeightType::q8 || type == WeightType::q4; }

void check_parts(std::span<const MatrixView> parts, WeightType type, std::int64_t cols) {
  for (const MatrixView& part : parts) {
    if (part.rows < 0 || part.cols != cols) {
      throw std::invalid_argument("packed matrix: expected parts of " + std::to_string(cols) +
                                  " columns, found " + std::to_string(part.rows) + " x " +
                                  std::to_string(part.cols));
    }
    const bool fits =
        type == WeightType::f32 || is_quantised(type) ? !is_quantised(part.type) : part.type == type;
    if (!fits) {
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

// Tiles [tile_begin, tile_end) of a matrix of this shape, at out.
void pack_range(const PackedMatrix& shape, std::span<const MatrixView> parts, std::int64_t tile_begin,
                std::int64_t tile_end, std::byte* out) noexcept {
  RowFinder finder(parts, shape);
  for (std::int64_t index = tile_begin; index < tile_end; ++index, out += shape.tile_stride()) {
    std::memset(out + shape.tile_bytes(), 0, static_cast<std::size_t>(shape.tile_stride() - shape.tile_bytes()));
    StoredRow rows[kLanes];
    finder.find(index, rows);
    if (is_quantised(shape.type())) {
      pack_quantised(rows, shape, out);
      continue;
    }
    if (pack_interleaved(rows, shape.cols(), shape.type(), out)) continue;
    if (rows[kLanes - 1].data == nullptr || shape.cols() % 2 != 0) {
      std::memset(out, 0, static_cast<std::size_t>(shape.tile_bytes()));
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      if (rows[lane].data != nullptr) pack_row(rows[lane], shape.cols(), shape.type(), out, lane);
    }
  }
}

}  // namespace

void pack_tiles(PackedMatrix& out, std::span<const MatrixView> parts, std::int64_t tile_begin,
                std::int64_t tile_end) {
  check_parts(parts, out.type(), out.cols());
  if (total_rows(parts) != out.rows() || tile_begin < 0 || tile_end > out.tiles()) {
    throw std::invalid_argument("packed matrix: the parts' rows or the tile range do not fit");
  }
  pack_range(out, parts, tile_begin, tile_end, out.tile(tile_begin));
}

void pack_tiles(const PackedMatrix& unpacked, std::int64_t tile_begin, std::int64_t tile_end,
                std::byte* out) noexcept {
  pack_range(unpacked, unpacked.parts(), tile_begin, tile_end, out);
}

PackedMatrix PackedMatrix::unpacked(std::vector<MatrixView> parts, WeightType type, RowOrder order) {
  const std::int64_t cols = parts.empty() ? 0 : parts.front().cols;
  check_parts(parts, type, cols);
  PackedMatrix out(Unplaced{}, type, total_rows(parts), cols, order);
  out.parts_ = std::move(parts);
  return out;
}

PackedMatrix pack(std::span<const MatrixView> parts, WeightType type, RowOrder order) {
  const std::int64_t cols = parts.empty() ? 0 : parts.front().cols;
  check_parts(parts, type, cols);
  PackedMatrix out(type, total_rows(parts), cols, order);
  pack_tiles(out, parts, 0, out.tiles());
  return out;
}

PackedMatrix pack(std::span<const MatrixView> parts) {
  return pack(parts, parts.empty() ? WeightType::f32 : parts.front().type);
}

void widen_tile(const PackedMatrix& w, std::int64_t tile_index, std::int64_t k_begin, std::int64_t k_end,
                float (*weights)[kLanes]) noexcept {
  const std::byte* tile = w.tile(tile_index);
  const auto* halves = reinterpret_cast<const std::uint16_t*>(tile);
  for (std::int64_t k = k_begin; k < k_end; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      float& out = weights[k - k_begin][lane];
      switch (w.type()) {
        case WeightType::f32:
          out = reinterpret_cast<const float*>(tile)[k * kLanes + lane];
          break;
        case WeightType::f16:
          out = widen_f16(halves[k * kLanes + lane]);
          break;
        case WeightType::bf16:
          out = widen_bf16(halves[((k / 2) * kLanes + lane) * 2 + k % 2]);
          break;
        case WeightType::q8:
        case WeightType::q4:
          out = static_cast<float>(quant_at(w.type(), tile, k, lane) - quant_offset(w.type())) *
                widen_f16(group_scales(w.type(), tile, k / kQuantGroup)[lane]);
          break;
      }
    }
  }
}

void gather_row(const PackedMatrix& matrix, std::int64_t row, float* out) noexcept {
  float weights[kBlockK][kLanes];
  const auto [tile, lane] = matrix.place_of(row);
  for (std::int64_t k = 0; k < matrix.cols(); k += kBlockK) {
    const std::int64_t end = std::min<std::int64_t>(matrix.cols(), k + kBlockK);
    widen_tile(matrix, tile, k, end, weights);
    for (std::int64_t i = k; i < end; ++i) out[i] = weights[i - k][lane];
  }
}

}  // namespace moe::kernels
