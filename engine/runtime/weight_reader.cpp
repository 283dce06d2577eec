#include "engine/runtime/weight_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/base/error.h"
#include "engine/runtime/matrix_sizes.h"

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
  const std::int64_t last = first + (part.rows - 1) * s.row_stride + (part.use.is_vector() ? 0 : (part.use.cols - 1) * s.col_stride);
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

// Bytes of the floats that a part is turned into.
std::int64_t widened_bytes(const WeightReader::Found& w, const WeightPart& part) {
  return is_direct(w) ? 0 : part.rows * part.use.cols * (float_type(w) == WeightType::bf16 ? 2 : 4);
}

// Rows [begin, end) of the parts one below the other, as parts.
void append_rows(std::span<const WeightPart> parts, std::int64_t begin, std::int64_t end, std::vector<WeightPart>& out) {
  for (WeightPart part : parts) {
    const std::int64_t rows = part.rows, from = std::clamp<std::int64_t>(begin, 0, rows);
    part.first_row += from;
    part.rows = std::clamp<std::int64_t>(end, 0, rows) - from;
    if (part.rows > 0) out.push_back(part);
    begin -= rows;
    end -= rows;
  }
}

// What tiles [begin, end) of a matrix of these parts hold, as the parts of a smaller one; both are even for gate_up.
std::vector<WeightPart> parts_of_tiles(std::span<const WeightPart> parts, kernels::RowOrder order, std::int64_t begin, std::int64_t end) {
  const std::int64_t lanes = kernels::row_granularity(), rows = rows_of(parts);
  std::vector<WeightPart> out;
  if (order == kernels::RowOrder::stacked) {
    append_rows(parts, begin * lanes, end * lanes, out);
    return out;
  }
  const std::int64_t half = rows / 2, first = begin / 2 * lanes, last = std::min(half, end / 2 * lanes);
  append_rows(parts, first, last, out);
  append_rows(parts, half + first, half + last, out);
  return out;
}

}  // namespace

// A part as the kernels can read it, and where it came from.
struct WeightReader::Staged {
  MatrixView view;
  Found found;
  std::span<const std::byte> stored;
};

WeightReader::WeightReader(const Checkpoint& checkpoint, const WeightLocator& locate, kernels::ThreadTeam* team,
                           std::optional<Quantisation> quantise, std::function<void(std::int64_t)> bytes_read)
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
  const std::span<const std::byte> stored = stored_bytes(w, whole(use));
  std::vector<std::byte> copy(stored.size());
  checkpoint_.copy(*w.tensor, stored, copy.data());
  std::vector<float> out(use.rows);
  read_floats(w.tensor->dtype, copy.data(), out.size(), w.slice.row_stride, out.data());
  return out;
}

WeightType WeightReader::type_of(std::span<const WeightPart> parts) const {
  if (quantise_ && !kept_when_quantised(parts.front().use.slot)) return quantise_->type_of(parts.front().use.slot);
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

WeightReader::Staged WeightReader::stage(const WeightPart& part, std::byte* widened) const {
  const Found w = find(part.use);
  const std::span<const std::byte> stored = stored_bytes(w, part);
  if (is_direct(w)) return {view(part, w), w, stored};
  const WeightType type = float_type(w);
  widen(w, part, type, widened);
  const MatrixView rows = kernels::row_major(type, widened, part.rows, part.use.cols);
  return {part.transposed ? transposed(rows) : rows, w, stored};
}

// The tiles from `first_tile` on that are made of these parts; what they were made of is given back.
void WeightReader::pack_slab(std::span<const WeightPart> parts, std::int64_t first_tile, kernels::PackedMatrix& packed) {
  std::int64_t bytes = 0;
  for (const WeightPart& part : parts) bytes += widened_bytes(find(part.use), part);
  if (bytes > std::int64_t(widened_.size())) widened_.resize(bytes);
  std::vector<Staged> staged;
  std::vector<MatrixView> views;
  std::byte* widened = widened_.data();
  for (const WeightPart& part : parts) {
    staged.push_back(stage(part, widened));
    views.push_back(staged.back().view);
    widened += widened_bytes(staged.back().found, part);
  }
  const kernels::PackedMatrix slab = kernels::PackedMatrix::unpacked(std::move(views), packed.type(), packed.order());
  const auto pack = [&](std::int64_t begin, std::int64_t end, int) { kernels::pack_tiles(slab, begin, end, packed.tile(first_tile + begin)); };
  team_ != nullptr ? team_->parallel_for(slab.tiles(), 1, pack) : pack(0, slab.tiles(), 0);
  for (const Staged& part : staged) {
    checkpoint_.drop(*part.found.tensor, part.stored);
    if (part.found.scales != nullptr) checkpoint_.drop(*part.found.scales, part.found.scales->data);
  }
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
  std::int64_t bytes = 0, source_bytes = 0;
  for (const WeightPart& part : parts) {
    const Found w = find(part.use);
    const std::int64_t stored = part.rows * part.use.cols * static_cast<std::int64_t>(size_of(w.tensor->dtype));
    bytes += stored;
    source_bytes += (w.slice.encoding == Encoding::mxfp4 ? stored / 2 : stored) + widened_bytes(w, part);
    checkpoint_.will_need(*w.tensor, stored_bytes(w, part));
  }
  const WeightType type = type_of(parts);
  const std::int64_t rows = rows_of(parts), cols = cols_of(parts);
  kernels::PackedMatrix packed =
      memory_ == nullptr ? kernels::PackedMatrix(type, rows, cols, order)
                         : kernels::PackedMatrix::over(memory_->take(kernels::packed_bytes(type, rows, cols, order)), type, rows, cols, order);
  // What is transposed is small, a head's half of kv_b: it is not cut.
  const std::int64_t slabs = parts.front().transposed ? 1 : slabs_of(source_bytes);
  const std::int64_t unit = order == kernels::RowOrder::gate_up ? 2 : 1, step = (packed.tiles() / unit + slabs - 1) / slabs * unit;
  for (std::int64_t first = 0; first < packed.tiles(); first += step) {
    if (slabs == 1) {
      pack_slab(parts, 0, packed);
    } else {
      pack_slab(parts_of_tiles(parts, order, first, std::min(packed.tiles(), first + step)), first, packed);
    }
  }
  if (bytes_read_) bytes_read_(bytes);
  return packed;
}

}  // namespace moe
