// Large matrices are packed slab by slab: the same bytes as in one go, whatever they are stored as.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <optional>

#include "engine/runtime/matrix_sizes.h"
#include "engine/runtime/weight_reader.h"

namespace moe {
namespace {

using kernels::PackedMatrix;
using kernels::RowOrder;
using kernels::WeightType;

constexpr std::int64_t kUnit = kernels::row_granularity();

// Tensors of varied bytes, named after slots.
class Stored {
 public:
  WeightPart plain(Slot slot, DType type, std::int64_t rows, std::int64_t cols) {
    return add(slot, rows, cols, type, {std::string(name(slot)), {rows, cols}, 0, cols, 1, Encoding::plain, {}, {}}, rows * cols);
  }
  WeightPart fp8(Slot slot, std::int64_t rows, std::int64_t cols) {
    TensorSlice slice{std::string(name(slot)), {rows, cols}, 0, cols, 1, Encoding::fp8_block, "fp8 scales", {(rows + 127) / 128, (cols + 127) / 128}};
    tensor(slice.scales, DType::bf16, slice.scales_shape, slice.scales_shape[0] * slice.scales_shape[1]);
    return add(slot, rows, cols, DType::f8_e4m3, slice, rows * cols);
  }
  // Two weights whose rows alternate in one tensor, as gpt-oss stores them.
  std::vector<WeightPart> mxfp4_pair(Slot first, Slot second, std::int64_t rows, std::int64_t cols) {
    TensorSlice slice{"blocks", {2 * rows, cols / 32, 16}, 0, 2 * cols, 1, Encoding::mxfp4, "scales", {2 * rows, cols / 32}};
    tensor(slice.scales, DType::u8, slice.scales_shape, 2 * rows * cols / 32, std::byte{120});
    tensor(slice.tensor, DType::u8, slice.shape, rows * cols);
    std::vector<WeightPart> parts;
    for (const Slot slot : {first, second}) {
      slices_[slot] = slice;
      parts.push_back(whole({slot, 0, -1, rows, cols}));
      slice.offset += cols;
    }
    return parts;
  }

  PackedMatrix read(std::span<const WeightPart> parts, RowOrder order, std::optional<Quantisation> quantise = {}) {
    if (!checkpoint_) checkpoint_ = Checkpoint::in_memory(std::move(tensors_), nullptr);
    const WeightLocator locate = [this](const WeightUse& use) { return slices_.at(use.slot); };
    return WeightReader(*checkpoint_, locate, &team_, quantise, nullptr).matrix(parts, order);
  }

 private:
  WeightPart add(Slot slot, std::int64_t rows, std::int64_t cols, DType type, TensorSlice slice, std::int64_t numbers) {
    tensor(slice.tensor, type, slice.shape, numbers);
    slices_[slot] = std::move(slice);
    return whole({slot, 0, -1, rows, cols});
  }
  void tensor(const std::string& name, DType type, std::vector<std::int64_t> shape, std::int64_t numbers, std::byte fill = {}) {
    std::vector<std::byte>& bytes = bytes_.emplace_back(std::size_t(numbers) * size_of(type), fill);
    std::uint32_t state = 1;
    // Neither infinite nor NaN in any of the types.
    for (std::size_t i = 0; fill == std::byte{} && i < bytes.size(); ++i) {
      state = state * 1664525 + 1013904223;
      bytes[i] = std::byte((state >> 24) & 0xBF);
    }
    tensors_.push_back({name, type, std::move(shape), bytes});
  }

  std::deque<std::vector<std::byte>> bytes_;
  std::vector<Tensor> tensors_;
  std::map<Slot, TensorSlice> slices_;
  std::optional<Checkpoint> checkpoint_;
  kernels::ThreadTeam team_{2};
};

// Tiles of `whole` are those of matrices of a few rows of each part, which are packed in one go.
void expect_same_tiles(Stored& stored, const PackedMatrix& whole, std::vector<WeightPart> parts, std::optional<Quantisation> quantise = {}) {
  constexpr std::int64_t kTiles = 10;
  std::vector<WeightPart> window = parts;
  for (std::int64_t row = 0; row < parts[0].rows; row += kTiles * kUnit) {
    for (std::size_t p = 0; p < parts.size(); ++p) {
      window[p].first_row = row;
      window[p].rows = std::min(kTiles * kUnit, parts[p].rows - row);
    }
    const PackedMatrix few = stored.read(window, whole.order(), quantise);
    const std::int64_t first_tile = row / kUnit * std::int64_t(parts.size());
    ASSERT_EQ(std::memcmp(few.tile(0), whole.tile(first_tile), std::size_t(few.bytes())), 0) << "from row " << row;
  }
}

TEST(WeightReader, PartsOfOddSizesInSlabs) {
  Stored stored;
  const std::vector<WeightPart> parts = {stored.plain(Slot::q, DType::f32, 3001, 2801), stored.plain(Slot::k, DType::f32, 7, 2801),
                                         stored.plain(Slot::v, DType::f32, 2990, 2801)};
  ASSERT_EQ(slabs_of(5998LL * 2801 * 4), 3);
  const PackedMatrix got = stored.read(parts, RowOrder::stacked);
  // Rows as they come, each from its own place.
  std::vector<std::byte> bytes;
  for (const WeightPart& part : parts) {
    const PackedMatrix alone = stored.read({&part, 1}, RowOrder::stacked);
    for (std::int64_t r = 0; r < part.rows; ++r) {
      std::vector<float> row(2801);
      kernels::gather_row(alone, r, row.data());
      const auto* at = reinterpret_cast<const std::byte*>(row.data());
      bytes.insert(bytes.end(), at, at + row.size() * sizeof(float));
    }
  }
  const kernels::MatrixView rows = kernels::row_major(WeightType::f32, bytes.data(), 5998, 2801);
  const PackedMatrix expected = kernels::pack({&rows, 1});
  EXPECT_EQ(std::memcmp(got.tile(0), expected.tile(0), std::size_t(expected.bytes())), 0);
}

TEST(WeightReader, GateAndUpInSlabs) {
  for (const char* form : {"native", "q8"}) {
    Stored stored;
    const std::vector<WeightPart> parts = {stored.plain(Slot::gate, DType::bf16, 1001, 9000), stored.plain(Slot::up, DType::bf16, 1001, 9000)};
    ASSERT_EQ(slabs_of(2 * 1001LL * 9000 * 2), 2);
    expect_same_tiles(stored, stored.read(parts, RowOrder::gate_up, quantisation(form)), parts, quantisation(form));
  }
}

// Floats of FP8 blocks and MXFP4 are made for a slab at a time, and count beside the stored bytes.
TEST(WeightReader, BlocksInSlabs) {
  for (const char* form : {"native", "q8"}) {
    Stored stored;
    const std::vector<WeightPart> fp8 = {stored.fp8(Slot::o, 2001, 4000)};
    ASSERT_EQ(slabs_of(2001LL * 4000 * 5), 2);
    expect_same_tiles(stored, stored.read(fp8, RowOrder::stacked, quantisation(form)), fp8, quantisation(form));
    Stored other;
    const std::vector<WeightPart> mxfp4 = other.mxfp4_pair(Slot::gate, Slot::up, 2001, 3520);
    ASSERT_EQ(slabs_of(2 * 2001LL * 3520 * 5 / 2), 2);
    expect_same_tiles(other, other.read(mxfp4, RowOrder::gate_up, quantisation(form)), mxfp4, quantisation(form));
  }
}

// A window of rows that become columns is never cut, and may have more columns than rows.
TEST(WeightReader, TransposedWindows) {
  Stored stored;
  WeightPart part = stored.plain(Slot::kv_b, DType::f32, 3000, 5);
  part.first_row = 10;
  part.rows = 100;
  const PackedMatrix rows = stored.read({&part, 1}, RowOrder::stacked);
  part.transposed = true;
  const PackedMatrix columns = stored.read({&part, 1}, RowOrder::stacked);
  ASSERT_EQ(columns.rows(), 5);
  ASSERT_EQ(columns.cols(), 100);
  for (std::int64_t r = 0; r < 100; ++r) {
    std::vector<float> row(5), column(100);
    kernels::gather_row(rows, r, row.data());
    for (std::int64_t c = 0; c < 5; ++c) {
      kernels::gather_row(columns, c, column.data());
      EXPECT_EQ(std::memcmp(&row[c], &column[r], sizeof(float)), 0);
    }
  }
}

}  // namespace
}  // namespace moe
