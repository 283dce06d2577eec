#include "engine/runtime/weight_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
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

// The bytes from the first to the last element of a part.
std::span<const std::byte> stored_bytes(const WeightReader::Found& w, const WeightPart& part) {
  const TensorSlice& s = w.slice;
  const std::int64_t first = s.offset + part.first_row * s.row_stride;
  const std::int64_t last = first + (part.rows - 1) * s.row_stride + (part.use.cols - 1) * s.col_stride;
  const auto element = static_cast<std::int64_t>(size_of(w.tensor->dtype));
  const auto at = [&](std::int64_t index) { return static_cast<std::size_t>(s.encoding == Encoding::mxfp4 ? index / 2 : index * element); };
  return w.tensor->data.subspan(at(first), at(last) + static_cast<std::size_t>(element) - at(first));
}

MatrixView transposed(MatrixView view) {
  std::swap(view.rows, view.cols);
  std::swap(view.row_stride_bytes, view.col_stride_bytes);
  return view;
}

// A part of a plain tensor as it lies in the file.
MatrixView view(const WeightPart& part, const WeightReader::Found& w) {
  const auto element = static_cast<std::int64_t>(size_of(w.tensor->dtype));
  const MatrixView rows = {*packed_type(w.tensor->dtype), stored_bytes(w, part).data(),   part.rows,
                           part.use.cols,                 w.slice.row_stride * element, w.slice.col_stride * element};
  return part.transposed ? transposed(rows) : rows;
}

// What a part is packed in unless it is quantised. A 4-bit float times a power of two is a bf16; other types that the
// kernels do not take need all of an f32.
WeightType float_type(const WeightReader::Found& w) {
  switch (w.slice.encoding) {
    case Encoding::plain: return packed_type(w.tensor->dtype).value_or(WeightType::f32);
    case Encoding::fp8_block: return WeightType::f32;
    case Encoding::mxfp4: return WeightType::bf16;
  }
  return WeightType::f32;
}

// Whether the kernels can read the part where it lies.
bool is_direct(const WeightReader::Found& w) {
  return w.slice.encoding == Encoding::plain && packed_type(w.tensor->dtype).has_value();
}

}  // namespace

// A part as the kernels can read it; `widened` holds the numbers where the stored form had to be turned into floats.
struct WeightReader::Staged {
  MatrixView view;
  std::vector<std::byte> widened;
  Found found;
  std::span<const std::byte> stored;
};

WeightReader::WeightReader(const Checkpoint& checkpoint, const WeightLocator& locate, kernels::ThreadTeam* team,
                           std::optional<WeightType> quantise, std::function<void(std::int64_t)> bytes_read)
    : checkpoint_(checkpoint), locate_(locate), team_(team), quantise_(quantise), bytes_read_(std::move(bytes_read)) {}

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

WeightType WeightReader::type_of(std::span<const WeightPart> parts) const {
  if (quantise_ && !kept_when_quantised(parts.front().use.slot)) return *quantise_;
  const WeightType type = float_type(find(parts.front().use));
  const bool common = std::ranges::all_of(parts, [&](const WeightPart& part) { return float_type(find(part.use)) == type; });
  return common ? type : WeightType::f32;
}

// out[part.rows][cols] in `type`, which holds the numbers exactly.
void WeightReader::widen(const Found& w, const WeightPart& part, WeightType type, std::byte* out) const {
  const std::int64_t cols = part.use.cols, row_bytes = cols * (type == WeightType::bf16 ? 2 : 4);
  const auto element = static_cast<std::int64_t>(size_of(w.tensor->dtype));
  const auto rows = [&](std::int64_t begin, std::int64_t end, int) {
    std::vector<float> floats(cols);
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t row = part.first_row + r;
      switch (w.slice.encoding) {
        case Encoding::fp8_block: widen_fp8_row(w, row, cols, floats.data()); break;
        case Encoding::mxfp4: widen_mxfp4_row(w, row, cols, floats.data()); break;
        case Encoding::plain:
          read_floats(w.tensor->dtype, w.tensor->data.data() + (w.slice.offset + row * w.slice.row_stride) * element,
                      cols, w.slice.col_stride, floats.data());
          break;
      }
      store_row(floats, type, out + r * row_bytes);
    }
  };
  team_ != nullptr ? team_->parallel_for(part.rows, 1, rows) : rows(0, part.rows, 0);
}

WeightReader::Staged WeightReader::stage(const WeightPart& part) const {
  Staged staged;
  staged.found = find(part.use);
  const Found& w = staged.found;
  staged.stored = stored_bytes(w, part);
  checkpoint_.will_need(*w.tensor, staged.stored);
  if (is_direct(w)) {
    staged.view = view(part, w);
    return staged;
  }
  const WeightType type = float_type(w);
  staged.widened.resize(part.rows * part.use.cols * (type == WeightType::bf16 ? 2 : 4));
  widen(w, part, type, staged.widened.data());
  const MatrixView rows = kernels::row_major(type, staged.widened.data(), part.rows, part.use.cols);
  staged.view = part.transposed ? transposed(rows) : rows;
  return staged;
}

bool WeightReader::stays_in_place(std::span<const WeightPart> parts) const {
  if (!leave_in_place_ || (quantise_ && !kept_when_quantised(parts.front().use.slot))) return false;
  return std::ranges::all_of(parts, [&](const WeightPart& part) { return is_direct(find(part.use)); });
}

kernels::PackedMatrix WeightReader::matrix(std::span<const WeightPart> parts, kernels::RowOrder order) {
  std::vector<MatrixView> views;
  if (stays_in_place(parts)) {
    for (const WeightPart& part : parts) views.push_back(view(part, find(part.use)));
    return kernels::PackedMatrix::unpacked(std::move(views), type_of(parts), order);
  }
  std::vector<Staged> staged;
  std::int64_t bytes = 0;
  for (const WeightPart& part : parts) {
    staged.push_back(stage(part));
    views.push_back(staged.back().view);
    bytes += part.rows * part.use.cols * static_cast<std::int64_t>(size_of(staged.back().found.tensor->dtype));
  }
  const WeightType type = type_of(parts);
  const std::int64_t rows = rows_of(parts), cols = cols_of(parts);
  kernels::PackedMatrix packed =
      memory_ == nullptr ? kernels::PackedMatrix(type, rows, cols, order)
                         : kernels::PackedMatrix::over(memory_->take(kernels::packed_bytes(type, rows, cols, order)), type, rows, cols, order);
  // A slab at a time, and what it was made of given back: a large matrix must not be in memory twice.
  // By the larger of the two: what is quantised takes a multiple of its packed bytes in the file.
  const std::int64_t tile_bytes = std::max(packed.tile_bytes(), bytes / packed.tiles());
  const std::int64_t slab = std::max<std::int64_t>(1, kSlabBytes / tile_bytes);
  for (std::int64_t first = 0; first < packed.tiles(); first += slab) {
    const std::int64_t count = std::min(slab, packed.tiles() - first);
    const auto pack = [&](std::int64_t begin, std::int64_t end, int) { kernels::pack_tiles(packed, views, first + begin, first + end); };
    team_ != nullptr ? team_->parallel_for(count, 1, pack) : pack(0, count, 0);
    for (const Staged& part : staged) checkpoint_.drop(*part.found.tensor, part.stored);
  }
  for (const Staged& part : staged) {
    if (part.found.scales != nullptr) checkpoint_.drop(*part.found.scales, part.found.scales->data);
  }
  if (bytes_read_) bytes_read_(bytes);
  return packed;
}

}  // namespace moe
