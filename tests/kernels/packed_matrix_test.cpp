// Packing: parts, strides, types, ranges over threads, rows read back, refusals.
#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/base/content_hash.h"
#include "kernels/thread_team.h"
#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

std::vector<float> row_of(const PackedMatrix& matrix, std::int64_t row) {
  std::vector<float> out(static_cast<std::size_t>(matrix.cols()));
  gather_row(matrix, row, out.data());
  return out;
}

void expect_rows(const PackedMatrix& matrix, const std::vector<float>& values) {
  const auto cols = static_cast<std::ptrdiff_t>(matrix.cols());
  for (std::int64_t r = 0; r < matrix.rows(); ++r) {
    const std::vector<float> expected(values.begin() + r * cols, values.begin() + (r + 1) * cols);
    ASSERT_TRUE(same_bits(expected, row_of(matrix, r))) << "row " << r;
  }
}

TEST(PackedMatrix, RowsComeBackInEveryTypeAndShape) {
  for (const WeightType type : float_types()) {
    for (const std::int64_t rows : {1, 15, 16, 17, 50}) {
      for (const std::int64_t cols : {1, 2, 7, 64, 301}) {
        const StoredMatrix stored(type, rows, cols, 3);
        const PackedMatrix matrix = pack(std::vector{stored.view});
        EXPECT_EQ(matrix.rows(), rows);
        EXPECT_EQ(matrix.cols(), cols);
        EXPECT_EQ(matrix.type(), type);
        EXPECT_GE(matrix.bytes(), stored_bytes(type, rows, cols));
        EXPECT_LE(matrix.tiles() * matrix.tile_bytes(), stored_bytes(type, rows + 15, cols + 1));
        EXPECT_LT(matrix.tile_stride() - matrix.tile_bytes(), 128);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(matrix.tile(0)) % 64, 0U);
        expect_rows(matrix, stored.values);
      }
    }
  }
}

TEST(PackedMatrix, PartsAreConcatenatedAndEmptyOnesSkipped) {
  const StoredMatrix a(WeightType::bf16, 5, 33, 1), b(WeightType::bf16, 30, 33, 2),
      c(WeightType::bf16, 0, 33, 3);
  const PackedMatrix matrix = pack(std::vector{c.view, a.view, c.view, b.view});
  std::vector<float> values = a.values;
  values.insert(values.end(), b.values.begin(), b.values.end());
  EXPECT_EQ(matrix.rows(), 35);
  expect_rows(matrix, values);
}

TEST(PackedMatrix, StridesReadTransposedAndInterleavedTensors) {
  const StoredMatrix stored(WeightType::f16, 12, 40, 4);  // as stored: [12, 40]
  MatrixView transposed = stored.view;                    // as meant: [40, 12]
  std::swap(transposed.rows, transposed.cols);
  std::swap(transposed.row_stride_bytes, transposed.col_stride_bytes);
  const PackedMatrix matrix = pack(std::vector{transposed});
  for (std::int64_t r = 0; r < 40; ++r) {
    for (std::int64_t k = 0; k < 12; ++k) {
      ASSERT_EQ(row_of(matrix, r)[static_cast<std::size_t>(k)],
                stored.values[static_cast<std::size_t>(k * 40 + r)]);
    }
  }
  MatrixView even = stored.view, odd = stored.view;  // gate and up rows that alternate
  even.rows = odd.rows = 6;
  even.row_stride_bytes = odd.row_stride_bytes = 2 * stored.view.row_stride_bytes;
  odd.data += stored.view.row_stride_bytes;
  const PackedMatrix split = pack(std::vector{even, odd});
  for (std::int64_t r = 0; r < 12; ++r) {
    const std::int64_t from = r < 6 ? 2 * r : 2 * (r - 6) + 1;
    ASSERT_EQ(row_of(split, r)[7], stored.values[static_cast<std::size_t>(from * 40 + 7)]);
  }
}

TEST(PackedMatrix, GateAndUpRowsAlternateByTiles) {
  for (const WeightType type : weight_types()) {
    const StoredMatrix stored(type == WeightType::f16 || type == WeightType::bf16 ? type : WeightType::f32, 50, 70, 8);
    MatrixView gate = stored.view, up = stored.view;
    gate.rows = up.rows = 25;
    up.data += 25 * stored.view.row_stride_bytes;
    const PackedMatrix matrix = pack(std::vector{gate, up}, type, RowOrder::gate_up);
    EXPECT_EQ(matrix.outputs(), 25);
    EXPECT_EQ(matrix.tiles(), 4);
    EXPECT_EQ(matrix.row_of(0, 3), 3);
    EXPECT_EQ(matrix.row_of(1, 3), 25 + 3);
    EXPECT_EQ(matrix.row_of(3, 8), 25 + 24);
    EXPECT_EQ(matrix.row_of(2, 9), -1);
    expect_rows(matrix, values_of(pack(std::vector{gate, up}, type)));
  }
  EXPECT_THROW(PackedMatrix(WeightType::f32, 3, 8, RowOrder::gate_up), std::invalid_argument);
}

TEST(PackedMatrix, UnalignedDataAndWideningIntoF32) {
  const StoredMatrix bf16(WeightType::bf16, 9, 21, 5);
  std::vector<std::byte> shifted(bf16.bytes.size() + 1);
  std::copy(bf16.bytes.begin(), bf16.bytes.end(), shifted.begin() + 1);
  const MatrixView view = row_major(WeightType::bf16, shifted.data() + 1, 9, 21);
  const PackedMatrix matrix = pack(std::vector{view}, WeightType::f32);
  EXPECT_EQ(matrix.type(), WeightType::f32);
  expect_rows(matrix, bf16.values);
}

TEST(PackedMatrix, TileRangesOverThreadsGiveTheSameBytes) {
  const StoredMatrix a(WeightType::bf16, 100, 51, 6), b(WeightType::bf16, 61, 51, 7);
  const std::vector<MatrixView> parts = {a.view, b.view};
  const PackedMatrix expected = pack(parts);
  PackedMatrix matrix(WeightType::bf16, 161, 51);
  ThreadTeam team(3);
  team.parallel_for(matrix.tiles(), 1, [&](std::int64_t begin, std::int64_t end, int) {
    pack_tiles(matrix, parts, begin, end);
  });
  EXPECT_EQ(std::memcmp(matrix.tile(0), expected.tile(0), static_cast<std::size_t>(expected.bytes())), 0);
}

TEST(PackedMatrix, LargeMatricesAreMappedAndMoved) {
  const StoredMatrix stored(WeightType::f32, 600, 1000, 8);  // above the size of a huge page
  PackedMatrix matrix = pack(std::vector{stored.view});
  PackedMatrix moved = std::move(matrix);
  EXPECT_TRUE(matrix.empty());  // NOLINT(bugprone-use-after-move): the state after a move is promised
  expect_rows(moved, stored.values);
  moved = PackedMatrix();
  EXPECT_TRUE(moved.empty());
}

TEST(PackedMatrix, BorrowedMemoryIsPackedReadAndLeftToItsOwner) {
  const StoredMatrix stored(WeightType::bf16, 40, 33, 9);
  const std::vector<MatrixView> parts = {stored.view};
  const PackedMatrix own = pack(parts);
  EXPECT_EQ(own.bytes(), packed_bytes(WeightType::bf16, 40, 33));
  std::vector<std::byte> memory(static_cast<std::size_t>(own.bytes()) + 64);
  void* at = memory.data();
  std::size_t room = memory.size();
  auto* aligned = static_cast<std::byte*>(std::align(64, static_cast<std::size_t>(own.bytes()), at, room));
  PackedMatrix moved;
  {
    PackedMatrix borrowed = PackedMatrix::over(aligned, WeightType::bf16, 40, 33);
    pack_tiles(borrowed, parts, 0, borrowed.tiles());
    moved = std::move(borrowed);
  }
  EXPECT_EQ(moved.tile(0), aligned);
  expect_rows(moved, stored.values);
  EXPECT_EQ(std::memcmp(aligned, own.tile(0), static_cast<std::size_t>(own.bytes())), 0);
}

// Packed matrices are kept in files: whoever changes their bytes must change kPackedLayoutVersion, and then these.
TEST(PackedMatrix, BytesOfTheLayoutVersionAreKnown) {
  ASSERT_EQ(kPackedLayoutVersion, 4U);
  std::vector<std::uint16_t> halves(2 * 37 * 85);  // finite in each of the types
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(0x3000 + i * 7 % 0xB00);
  const auto hash_of = [&](WeightType type, std::int64_t cols, RowOrder order = RowOrder::stacked) {
    const bool quantised = type == WeightType::q8 || type == WeightType::q4;
    const std::int64_t rows = order == RowOrder::gate_up ? 36 : 37;
    const MatrixView view = row_major(quantised ? WeightType::bf16 : type, halves.data(), rows, cols);
    const PackedMatrix matrix = pack(std::vector{view}, type, order);
    return content_hash({matrix.tile(0), static_cast<std::size_t>(matrix.bytes())}).hex();
  };
  EXPECT_EQ(hash_of(WeightType::f32, 21), "c66ff89ddd520d4a7203ba52464169cc");
  EXPECT_EQ(hash_of(WeightType::f16, 21), "5c67ec7310ea7302a8ab3d377a924a53");
  EXPECT_EQ(hash_of(WeightType::bf16, 21), "07c011e879f8243654b2378ab8046ab2");
  EXPECT_EQ(hash_of(WeightType::bf16, 21, RowOrder::gate_up), "f46b20d6cbf1fa4e9ec3d1a7bce4a81f");
  EXPECT_EQ(hash_of(WeightType::q8, 21), "9aac3f4598fcd811f9af305ce871601b");
  EXPECT_EQ(hash_of(WeightType::q4, 21), "396e09ec8f0dfde6c245f3db2f8a83e4");
  // Three groups: a pair, and one whose neighbour is absent.
  EXPECT_EQ(hash_of(WeightType::q8, 85), "83752489bc8094c51e32d23e8a2b4784");
  EXPECT_EQ(hash_of(WeightType::q4, 85), "ad0f5e46842b1e65bd2e0a5b699bba6f");
}

TEST(PackedMatrix, TilesBeginAnOddNumberOfLinesApart) {
  const std::vector<float> ones(16 * 96, 1.0F);
  for (const WeightType type : {WeightType::f32, WeightType::bf16, WeightType::q8, WeightType::q4}) {
    for (const std::int64_t cols : {1, 32, 64, 96}) {
      PackedMatrix matrix(type, 16, cols);
      ASSERT_EQ(matrix.tile_stride() / 64 % 2, 1);
      ASSERT_EQ(matrix.tile_stride() % 64, 0);
      ASSERT_GE(matrix.tile_stride(), matrix.tile_bytes());
      std::memset(matrix.tile(0), 0xFF, static_cast<std::size_t>(matrix.bytes()));
      const std::vector<std::uint16_t> halves(16 * 96, 0x3F80);
      const MatrixView view = type == WeightType::bf16 ? row_major(type, halves.data(), 16, cols)
                                                       : row_major(WeightType::f32, ones.data(), 16, cols);
      pack_tiles(matrix, std::vector{view}, 0, 1);
      for (std::int64_t at = matrix.tile_bytes(); at < matrix.tile_stride(); ++at) {
        ASSERT_EQ(matrix.tile(0)[at], std::byte{0}) << weight_type_name(type) << " x " << cols;
      }
    }
  }
}

TEST(PackedMatrix, MisfitsAreRefused) {
  const StoredMatrix a(WeightType::bf16, 4, 8, 1), b(WeightType::bf16, 4, 9, 1), c(WeightType::f32, 4, 8, 1);
  EXPECT_THROW(pack(std::vector{a.view, b.view}), std::invalid_argument);
  EXPECT_THROW(pack(std::vector{a.view, c.view}), std::invalid_argument) << "f32 into bf16 would lose bits";
  EXPECT_THROW(pack(std::vector{c.view}, WeightType::f16), std::invalid_argument);
  EXPECT_NO_THROW(pack(std::vector{a.view, c.view}, WeightType::f32));
  EXPECT_THROW(PackedMatrix(WeightType::f32, -1, 4), std::invalid_argument);
  EXPECT_THROW(PackedMatrix(WeightType::f32, std::int64_t{1} << 40, std::int64_t{1} << 40),
               std::invalid_argument);
  PackedMatrix wrong(WeightType::bf16, 5, 8);
  EXPECT_THROW(pack_tiles(wrong, std::vector{a.view}, 0, 1), std::invalid_argument);
  PackedMatrix right(WeightType::bf16, 4, 8);
  EXPECT_THROW(pack_tiles(right, std::vector{a.view}, 0, 2), std::invalid_argument);
  MatrixView nothing = a.view;
  nothing.data = nullptr;
  EXPECT_THROW(pack(std::vector{nothing}), std::invalid_argument);
}

TEST(PackedMatrix, EveryHalfIsWidenedExactly) {
  std::vector<std::uint16_t> bits(65536);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(i);
  const PackedMatrix matrix = pack(std::vector{row_major(WeightType::f16, bits.data(), 1, 65536)});
  const std::vector<float> row = row_of(matrix, 0);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const int exponent = static_cast<int>(i >> 10 & 31), mantissa = static_cast<int>(i & 1023);
    const float sign = (i & 0x8000) != 0 ? -1.0F : 1.0F;
    if (exponent == 31) {
      ASSERT_TRUE(mantissa == 0 ? row[i] == sign * INFINITY : std::isnan(row[i])) << i;
    } else {
      const int significand = exponent == 0 ? mantissa : mantissa + 1024;
      const float expected = sign * std::ldexp(static_cast<float>(significand), std::max(exponent, 1) - 25);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(row[i]), std::bit_cast<std::uint32_t>(expected)) << i;
    }
  }
}

}  // namespace
}  // namespace moe::kernels::test
