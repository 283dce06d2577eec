// Products with unpacked matrices: the bits of packed ones, whatever the parts, order, epilogue and split.
#include "kernels/multiply.h"

#include <algorithm>

#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

struct Product {
  const KernelTable& table;
  PackedInput input;
  Epilogue epilogue;
  std::int64_t outputs;

  std::vector<float> with(const PackedMatrix& w, const std::vector<float>& start, std::int64_t rows,
                          std::int64_t split) const {
    std::vector<float> y = start;
    Epilogue own = epilogue;
    if (own.residual != nullptr) own.residual = y.data();
    for (std::int64_t n = 0; n < outputs; n += split) {
      multiply(table, w, input.rows(0, rows), own, y.data(), outputs, n, std::min(outputs, n + split));
    }
    return y;
  }
};

TEST(Multiply, UnpackedMatricesGiveTheBitsOfPackedOnes) {
  for (const std::string_view name : supported_kernel_names()) {
    if (name == "openblas") continue;  // its sums depend on the shape of a call
    const KernelTable& table = select_kernels(name);
    for (const WeightType type : {WeightType::f32, WeightType::f16, WeightType::bf16}) {
      for (const RowOrder order : {RowOrder::stacked, RowOrder::gate_up}) {
        for (const std::int64_t part_rows : {1, 16, 40, 300}) {
          for (const std::int64_t cols : {1, 33, 700}) {
            const StoredMatrix a(type, part_rows, cols, 1), b(type, part_rows, cols, 2);
            const std::vector<MatrixView> parts = {a.view, b.view};
            const PackedMatrix packed = pack(parts, type, order);
            const PackedMatrix unpacked = PackedMatrix::unpacked(parts, type, order);
            EXPECT_TRUE(unpacked.is_unpacked());
            EXPECT_EQ(unpacked.bytes(), packed.bytes());
            const std::int64_t rows = 5, outputs = packed.outputs();
            const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * cols), 3),
                                     bias = random_floats(static_cast<std::size_t>(packed.rows()), 4),
                                     start = random_floats(static_cast<std::size_t>(rows * outputs), 5);
            for (const bool dressed : {false, true}) {
              Product product{table, {}, {}, outputs};
              product.input.bind(table, Compute::f32, x.data(), cols, rows, cols);
              table.prepare(product.input, 0, rows);
              if (dressed) {
                product.epilogue.bias = bias.data();
                product.epilogue.residual = start.data();
                product.epilogue.residual_stride = outputs;
              }
              for (const std::int64_t count : {std::int64_t{1}, rows}) {
                const std::vector<float> expected = product.with(packed, start, count, outputs);
                ASSERT_TRUE(same_bits(product.with(unpacked, start, count, outputs), expected))
                    << name << " " << weight_type_name(type) << " " << part_rows << " x " << cols;
                ASSERT_TRUE(same_bits(product.with(unpacked, start, count, 48), expected));
              }
            }
          }
        }
      }
    }
  }
}

TEST(Multiply, MixedTypesAreWidenedAndMisfitsRefused) {
  const StoredMatrix a(WeightType::f32, 20, 64, 1), b(WeightType::bf16, 5, 64, 2),
      c(WeightType::f32, 4, 63, 3);
  const KernelTable& table = select_kernels("scalar");
  const std::vector<float> x = random_floats(64, 3), zeros(25);
  Product product{table, {}, {}, 25};
  product.input.bind(table, Compute::f32, x.data(), 64, 1, 64);
  const std::vector<MatrixView> parts = {a.view, b.view};
  ASSERT_TRUE(same_bits(product.with(PackedMatrix::unpacked(parts, WeightType::f32), zeros, 1, 25),
                        product.with(pack(parts, WeightType::f32), zeros, 1, 25)));
  EXPECT_THROW(PackedMatrix::unpacked({a.view, c.view}, WeightType::f32), std::invalid_argument);
  EXPECT_THROW(PackedMatrix::unpacked({a.view, b.view}, WeightType::bf16), std::invalid_argument);
}

}  // namespace
}  // namespace moe::kernels::test
