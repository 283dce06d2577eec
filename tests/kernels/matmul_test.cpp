// The product of every table against a double reference and, bit for bit, against the scalar table.
#include <algorithm>

#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

std::vector<float> multiply(const KernelTable& table, const PackedMatrix& w, const std::vector<float>& x,
                            std::int64_t rows) {
  std::vector<float> y(static_cast<std::size_t>(rows * w.rows()), -7.0F);
  table.matmul(w, x.data(), w.cols(), rows, y.data(), w.rows(), 0, w.rows());
  return y;
}

// |error| <= (chain length + number of blocks + 1) eps * sum |w x|: the bound of the defined order of
// summation.
void expect_near_reference(const KernelTable& table, const StoredMatrix& w, const std::vector<float>& x,
                           const std::vector<float>& y, std::int64_t rows) {
  const std::int64_t n_rows = w.view.rows, cols = w.view.cols;
  const double terms = static_cast<double>(std::min<std::int64_t>(cols, 256) + cols / 256 + 1);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t n = 0; n < n_rows; ++n) {
      double sum = 0, norm = 0;
      for (std::int64_t k = 0; k < cols; ++k) {
        const double product = static_cast<double>(w.values[static_cast<std::size_t>(n * cols + k)]) *
                               static_cast<double>(x[static_cast<std::size_t>(r * cols + k)]);
        sum += product;
        norm += std::fabs(product);
      }
      ASSERT_NEAR(y[static_cast<std::size_t>(r * n_rows + n)], sum, terms * 0x1p-24 * norm + 1e-30)
          << table.name << " " << weight_type_name(w.view.type) << " r " << r << " n " << n << " K " << cols;
    }
  }
}

TEST(Matmul, EveryRemainderOfRowsOutputsAndInputs) {
  const std::int64_t row_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 25};
  const std::int64_t outputs[] = {1, 2, 15, 16, 17, 31, 33, 64, 81, 100};
  const std::int64_t inputs[] = {1, 2, 3, 7, 16, 63, 255, 256, 257, 515};
  std::uint32_t seed = 1;
  for (const WeightType type : weight_types()) {
    for (const std::int64_t n : outputs) {
      for (const std::int64_t k : inputs) {
        const StoredMatrix w(type, n, k, seed++);
        const PackedMatrix packed = pack(std::vector{w.view});
        // One pick of rows per shape, all picks over the sweep; the others follow from
        // RowsInTheCallChangeNothing.
        const std::int64_t rows = row_counts[seed % std::size(row_counts)];
        const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), seed);
        const std::vector<float> expected = multiply(scalar_table(), packed, x, rows);
        for (const KernelTable* table : all_tables()) {
          const std::vector<float> y = multiply(*table, packed, x, rows);
          expect_near_reference(*table, w, x, y, rows);
          if (std::string_view(table->name) != "openblas") {
            ASSERT_TRUE(same_bits(expected, y)) << table->name << " " << rows << " x " << n << " x " << k;
          }
        }
      }
    }
  }
}

TEST(Matmul, RowsInTheCallChangeNothing) {
  const std::int64_t n = 83, k = 531;
  for (const WeightType type : weight_types()) {
    const StoredMatrix w(type, n, k, 5);
    const PackedMatrix packed = pack(std::vector{w.view});
    const std::vector<float> x = random_floats(static_cast<std::size_t>(64 * k), 6);
    std::vector<float> one_by_one;
    for (std::int64_t r = 0; r < 64; ++r) {
      const std::vector<float> y =
          multiply(scalar_table(), packed, {x.begin() + r * k, x.begin() + (r + 1) * k}, 1);
      one_by_one.insert(one_by_one.end(), y.begin(), y.end());
    }
    for (const KernelTable* table : exact_tables()) {
      const std::int64_t most = table == &scalar_table() ? 7 : 64;
      for (std::int64_t rows = 1; rows <= most; ++rows) {
        const std::vector<float> expected(one_by_one.begin(), one_by_one.begin() + rows * n);
        ASSERT_TRUE(same_bits(expected, multiply(*table, packed, x, rows))) << table->name << " " << rows;
      }
    }
  }
}

TEST(Matmul, ManyRowsAndLongInputs) {  // beyond every cache block
  for (const WeightType type : weight_types()) {
    const std::int64_t n = 50, k = 1100, rows = 331;
    const StoredMatrix w(type, n, k, 9);
    const PackedMatrix packed = pack(std::vector{w.view});
    const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), 10);
    const std::vector<float> expected = multiply(scalar_table(), packed, x, rows);
    for (const KernelTable* table : exact_tables()) {
      const std::int64_t some =
          is_emulated(table) ? 50 : rows;  // slow, and the cache blocks are the same code
      EXPECT_TRUE(
          same_bits({expected.begin(), expected.begin() + some * n}, multiply(*table, packed, x, some)))
          << table->name;
    }
  }
}

TEST(Matmul, SplitsOfTheOutputsStridesAndAlignmentChangeNothing) {
  const std::int64_t n = 117, k = 300, rows = 9, ldx = k + 5, ldy = n + 3;
  for (const WeightType type : weight_types()) {
    const StoredMatrix w(type, n, k, 11);
    const PackedMatrix packed = pack(std::vector{w.view});
    const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), 12);
    const std::vector<float> expected = multiply(scalar_table(), packed, x, rows);
    std::vector<float> strided(static_cast<std::size_t>(rows * ldx + 1), NAN);
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(&x[r * k], k, &strided[1 + r * ldx]);
    for (const KernelTable* table : exact_tables()) {
      for (const std::int64_t step : {16, 48, 112}) {
        std::vector<float> y(static_cast<std::size_t>(rows * ldy), 42.0F);
        for (std::int64_t begin = 0; begin < n; begin += step) {
          table->matmul(packed, &strided[1], ldx, rows, y.data(), ldy, begin, std::min(n, begin + step));
        }
        for (std::int64_t r = 0; r < rows; ++r) {
          ASSERT_EQ(std::memcmp(&y[r * ldy], &expected[r * n], n * sizeof(float)), 0)
              << table->name << " " << step;
          for (std::int64_t i = n; i < ldy; ++i) ASSERT_EQ(y[r * ldy + i], 42.0F) << "wrote past the end";
        }
      }
    }
  }
}

TEST(Matmul, SpecialValues) {
  const float inf = INFINITY;
  for (const KernelTable* table : exact_tables()) {
    std::vector<float> weights(3 * 20, 1.0F);
    weights[0] = inf;      // row 0: an infinite weight
    weights[20] = 1e-40F;  // row 1: a denormal weight
    const MatrixView view = row_major(WeightType::f32, weights.data(), 3, 20);
    const PackedMatrix packed = pack(std::vector{view});
    std::vector<float> x(20, 0.0F);
    x[0] = 1.0F;
    std::vector<float> y = multiply(*table, packed, x, 1);
    EXPECT_EQ(y[0], inf) << table->name;
    EXPECT_EQ(y[1], 1e-40F) << table->name << ": denormals are kept";
    EXPECT_EQ(y[2], 1.0F);
    x[3] = NAN;
    y = multiply(*table, packed, x, 1);
    for (const float value : y) EXPECT_TRUE(std::isnan(value));
    const PackedMatrix no_inputs(WeightType::bf16, 3, 0);
    y = multiply(*table, no_inputs, {}, 2);
    EXPECT_EQ(y, std::vector<float>(6, 0.0F)) << table->name;
  }
}

}  // namespace
}  // namespace moe::kernels::test
