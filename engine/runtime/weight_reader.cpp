#include "engine/runtime/weight_reader.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
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

}  // namespace

// A part as the kernels can read it; `widened` holds the numbers where the stored form had to be turned into floats.
struct WeightReader::Staged {
  MatrixView view;
  std::vector<float> widened;
  const Tensor* tensor = nullptr;
};

WeightReader::WeightReader(const Checkpoint& checkpoint, const WeightLocator& locate, kernels::ThreadTeam* team,
                           std::function<void(std::int64_t)> bytes_read)
    : checkpoint_(checkpoint), locate_(locate), team_(team), bytes_read_(std::move(bytes_read)) {}

WeightReader::Found WeightReader::find(const WeightUse& use) const {
  Found found;
  found.slice = locate_(use);
  TensorSlice& s = found.slice;
  found.tensor = &checkpoint_.require(s.tensor, s.shape);
  const bool type_fits = s.encoding == Encoding::plain       ? is_float(found.tensor->dtype)
                         : s.encoding == Encoding::fp8_block ? found.tensor->dtype == DType::f8_e4m3
                                                             : found.tensor->dtype == DType::u8;
  if (!type_fits) {
    throw Error(ErrorKind::unsupported, Fault{checkpoint_.file_of(s.tensor).string(), "tensor " + s.tensor,
                                              s.encoding == Encoding::plain       ? "a float type"
                                              : s.encoding == Encoding::fp8_block ? "F8_E4M3"
                                                                                  : "U8",
                                              std::string(name(found.tensor->dtype))});
  }
  if (s.encoding != Encoding::plain) found.scales = &checkpoint_.require(s.scales, s.scales_shape);
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
    staged.widened.resize(part.rows * cols);
    for (std::int64_t r = 0; r < part.rows; ++r) {
      float* out = staged.widened.data() + r * cols;
      const std::int64_t row = part.first_row + r;
      switch (w.slice.encoding) {
        case Encoding::fp8_block: widen_fp8_row(w, row, cols, out); break;
        case Encoding::mxfp4: widen_mxfp4_row(w, row, cols, out); break;
        case Encoding::plain:
          read_floats(w.tensor->dtype, w.tensor->data.data() + (w.slice.offset + row * w.slice.row_stride) * element,
                      cols, w.slice.col_stride, out);
          break;
      }
    }
    staged.view = kernels::row_major(WeightType::f32, staged.widened.data(), part.rows, cols);
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
  const auto pack = [&](std::int64_t begin, std::int64_t end, int) { kernels::pack_tiles(packed, views, begin, end); };
  if (team_ != nullptr) {
    team_->parallel_for(packed.tiles(), 1, pack);
  } else {
    pack(0, packed.tiles(), 0);
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
