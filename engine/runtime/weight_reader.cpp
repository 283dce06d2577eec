#include "engine/runtime/weight_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "engine/base/error.h"

namespace moe {
namespace {

using kernels::MatrixView;
using kernels::WeightType;

// What the kernels take as it is; other float types are widened first.
std::optional<WeightType> packed_type(DType type) {
  switch (type) {
    case DType::f32: return WeightType::f32;
    case DType::f16: return WeightType::f16;
    case DType::bf16: return WeightType::bf16;
    default: return std::nullopt;
  }
}

constexpr std::int64_t kFp8Block = 128;
// Packed bytes between two looks at what may leave memory.
constexpr std::int64_t kSlabBytes = std::int64_t{32} << 20;

// One row of F8_E4M3 elements times its blocks' scales.
void widen_fp8_row(const WeightReader::Found& w, std::int64_t row, std::int64_t cols, float* out) {
  const TensorSlice& s = w.slice;
  const std::int64_t scale_cols = s.scales_shape[1];
  const auto* data = reinterpret_cast<const std::uint8_t*>(w.tensor->data.data()) + s.offset + row * s.row_stride;
  float scale = 0;
  for (std::int64_t c = 0; c < cols; ++c) {
    if (c % kFp8Block == 0) {
      const std::int64_t at = row / kFp8Block * scale_cols + c / kFp8Block;
      read_floats(w.scales->dtype, w.scales->data.data() + at * size_of(w.scales->dtype), 1, 1, &scale);
    }
    out[c] = f8_e4m3_to_f32(data[c]) * scale;
  }
}

// One row of MXFP4: pairs of 4-bit floats, low half first, each 32 times 2^(scale - 127). Strides count in elements
// (two a byte), so the row starts at a whole byte and a whole group of 32.
void widen_mxfp4_row(const WeightReader::Found& w, std::int64_t row, std::int64_t cols, float* out) {
  static constexpr std::array<float, 16> kValues{0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                                 -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};
  const std::int64_t start = w.slice.offset + row * w.slice.row_stride;
  const auto* blocks = reinterpret_cast<const std::uint8_t*>(w.tensor->data.data()) + start / 2;
  const auto* scales = reinterpret_cast<const std::uint8_t*>(w.scales->data.data()) + start / 32;
  for (std::int64_t c = 0; c < cols; c += 2) {
    const int exponent = static_cast<int>(scales[c / 32]) - 127;
    out[c] = std::ldexp(kValues[blocks[c / 2] & 15U], exponent);
    out[c + 1] = std::ldexp(kValues[blocks[c / 2] >> 4], exponent);
  }
}

// Floats that `type` holds exactly.
void store_row(std::span<const float> row, WeightType type, std::byte* out) {
  if (type == WeightType::f32) {
    std::memcpy(out, row.data(), row.size_bytes());
    return;
  }
  for (const float value : row) {
    const std::uint16_t bits = f32_to_bf16(value);
    std::memcpy(out, &bits, sizeof bits);
    out += sizeof bits;
  }
}

}  // namespace

// A part as the kernels can read it; `widened` holds the numbers where the stored form had to be turned into floats.
struct WeightReader::Staged {
  MatrixView view;
  std::vector<std::byte> widened;
  const Tensor* tensor = nullptr;
};

WeightReader::WeightReader(const Checkpoint& checkpoint, const WeightLocator& locate, kernels::ThreadTeam* team,
                           std::function<void(std::int64_t)> bytes_read)
    : checkpoint_(checkpoint), locate_(locate), team_(team), bytes_read_(std::move(bytes_read)) {}

void WeightReader::require_type(const std::string& tensor, DType found, bool fits, std::string_view expected) const {
  if (fits) return;
  throw Error(ErrorKind::unsupported, Fault{checkpoint_.file_of(tensor).string(), "tensor " + tensor, std::string(expected), std::string(name(found))});
}

WeightReader::Found WeightReader::find(const WeightUse& use) const {
  Found found;
  found.slice = locate_(use);
  TensorSlice& s = found.slice;
  found.tensor = &checkpoint_.require(s.tensor, s.shape);
  const DType type = found.tensor->dtype;
  if (s.encoding != Encoding::plain) found.scales = &checkpoint_.require(s.scales, s.scales_shape);
  switch (s.encoding) {
    case Encoding::plain: require_type(s.tensor, type, is_float(type), "a float type"); break;
    case Encoding::fp8_block:
      require_type(s.tensor, type, type == DType::f8_e4m3, "F8_E4M3");
      require_type(s.scales, found.scales->dtype, is_float(found.scales->dtype), "a float type");
      break;
    case Encoding::mxfp4:
      require_type(s.tensor, type, type == DType::u8, "U8");
      require_type(s.scales, found.scales->dtype, found.scales->dtype == DType::u8, "U8");
      break;
  }
  return found;
}

std::vector<float> WeightReader::vector(const WeightUse& use) {
  const Found w = find(use);
  std::vector<float> out(use.rows);
  read_floats(w.tensor->dtype, w.tensor->data.data() + w.slice.offset * size_of(w.tensor->dtype), out.size(),
              w.slice.row_stride, out.data());
  return out;
}

WeightReader::Staged WeightReader::stage(const WeightPart& part) const {
  const Found w = find(part.use);
  Staged staged;
  staged.tensor = w.tensor;
  const std::int64_t cols = part.use.cols;
  const auto element = static_cast<std::int64_t>(size_of(w.tensor->dtype));
  const auto direct = w.slice.encoding == Encoding::plain ? packed_type(w.tensor->dtype) : std::nullopt;
  if (direct) {
    staged.view = {*direct, w.tensor->data.data() + (w.slice.offset + part.first_row * w.slice.row_stride) * element,
                   part.rows, cols, w.slice.row_stride * element, w.slice.col_stride * element};
  } else {
    // A 4-bit float times a power of two is a bf16; the others need all of an f32.
    const WeightType type = w.slice.encoding == Encoding::mxfp4 ? WeightType::bf16 : WeightType::f32;
    const std::int64_t row_bytes = cols * (type == WeightType::bf16 ? 2 : 4);
    staged.widened.resize(part.rows * row_bytes);
    std::vector<float> floats(cols);
    for (std::int64_t r = 0; r < part.rows; ++r) {
      const std::int64_t row = part.first_row + r;
      switch (w.slice.encoding) {
        case Encoding::fp8_block: widen_fp8_row(w, row, cols, floats.data()); break;
        case Encoding::mxfp4: widen_mxfp4_row(w, row, cols, floats.data()); break;
        case Encoding::plain:
          read_floats(w.tensor->dtype, w.tensor->data.data() + (w.slice.offset + row * w.slice.row_stride) * element,
                      cols, w.slice.col_stride, floats.data());
          break;
      }
      store_row(floats, type, staged.widened.data() + r * row_bytes);
    }
    staged.view = kernels::row_major(type, staged.widened.data(), part.rows, cols);
  }
  if (part.transposed) {
    std::swap(staged.view.rows, staged.view.cols);
    std::swap(staged.view.row_stride_bytes, staged.view.col_stride_bytes);
  }
  return staged;
}

kernels::PackedMatrix WeightReader::matrix(std::span<const WeightPart> parts, kernels::RowOrder order) {
  std::vector<Staged> staged;
  std::vector<MatrixView> views;
  std::int64_t rows = 0, bytes = 0;
  for (const WeightPart& part : parts) {
    staged.push_back(stage(part));
    views.push_back(staged.back().view);
    rows += views.back().rows;
    bytes += part.rows * part.use.cols * static_cast<std::int64_t>(size_of(staged.back().tensor->dtype));
  }
  WeightType type = views.front().type;
  for (const MatrixView& view : views) {
    if (view.type != type) type = WeightType::f32;
  }
  kernels::PackedMatrix packed(type, rows, views.front().cols, order);
  // A slab at a time, and what it was made of given back: a large matrix must not be in memory twice.
  const std::int64_t slab = std::max<std::int64_t>(1, kSlabBytes / packed.tile_bytes());
  for (std::int64_t first = 0; first < packed.tiles(); first += slab) {
    const std::int64_t count = std::min(slab, packed.tiles() - first);
    const auto pack = [&](std::int64_t begin, std::int64_t end, int) { kernels::pack_tiles(packed, views, first + begin, first + end); };
    if (team_ != nullptr) {
      team_->parallel_for(count, 1, pack);
    } else {
      pack(0, count, 0);
    }
    for (const Staged& part : staged) checkpoint_.drop(*part.tensor);
  }
  matrix_bytes_ += packed.bytes();
  if (bytes_read_) bytes_read_(bytes);
  return packed;
}

void WeightReader::finished(std::span<const WeightUse> uses) {
  // Several weights may lie in one tensor, which is given back once.
  std::set<std::string> names;
  for (const WeightUse& use : uses) names.insert(locate_(use).tensor);
  for (const std::string& tensor : names) checkpoint_.drop(*checkpoint_.find(tensor));
}

}  // namespace moe
