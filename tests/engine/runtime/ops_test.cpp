// Products of parts with matrices of their own are the separate products, to the bit, whatever the load and
// the team.
#include "engine/runtime/ops.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace moe {
namespace {

using kernels::Compute;
using kernels::PackedMatrix;
using kernels::RowOrder;
using kernels::WeightType;

std::vector<float> random_floats(std::size_t n, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

PackedMatrix random_matrix(WeightType type, std::int64_t rows, std::int64_t cols, std::uint32_t seed) {
  const std::vector<float> values = random_floats(std::size_t(rows * cols), seed);
  return kernels::pack(std::vector{kernels::row_major(WeightType::f32, values.data(), rows, cols)}, type,
                       RowOrder::gate_up);
}

TEST(Ops, PartsAreTheSeparateProducts) {
  const std::int64_t cols = 96, width = 150;
  const std::vector<std::int64_t> loads = {0, 1, 40, 3, 0, 9, 1};  // rows of each part: skewed, some none
  const std::vector<float> x = random_floats(std::size_t(20 * cols), 1);
  // The last part is of another type: a checkpoint may mix them.
  for (const WeightType last : {WeightType::q8, WeightType::f32}) {
    std::vector<PackedMatrix> weights;
    for (std::size_t i = 0; i < loads.size(); ++i) {
      weights.push_back(
          random_matrix(i + 1 == loads.size() ? last : WeightType::q8, 2 * width, cols, std::uint32_t(i)));
    }
    std::vector<Ops::Part> parts;
    std::vector<std::int32_t> source;
    for (std::size_t i = 0; i < loads.size(); ++i) {
      if (loads[i] > 0) parts.push_back({&weights[i], std::int64_t(source.size()), loads[i], {}});
      for (std::int64_t r = 0; r < loads[i]; ++r) source.push_back(std::int32_t((source.size() * 7) % 20));
    }
    const auto rows = std::int64_t(source.size());
    for (int threads = 1; threads <= 4; ++threads) {
      kernels::ThreadTeam team(threads);
      Ops ops(kernels::select_kernels(), team, Compute::int8);
      std::vector<float> y(std::size_t(rows * width));
      ops.matmul_parts(parts, x.data(), cols, rows, source.data(), y.data(), width);
      for (const Ops::Part& part : parts) {
        for (std::int64_t r = part.first; r < part.first + part.rows; ++r) {
          std::vector<float> expected(width);
          ops.matmul(*part.w, x.data() + source[std::size_t(r)] * cols, cols, 1, expected.data(), width);
          ASSERT_EQ(std::memcmp(expected.data(), &y[std::size_t(r * width)], width * sizeof(float)), 0)
              << "row " << r << ", " << threads << " threads";
        }
      }
    }
  }
}

// More rows than are taken together, added to a residual stream that is the output itself.
TEST(Ops, ManyRowsAreTheSeparateProducts) {
  const std::int64_t rows = 401, cols = 96, width = 32;
  const std::vector<float> x = random_floats(std::size_t(rows * cols), 1);
  const std::vector<float> stream = random_floats(std::size_t(rows * width), 2);
  for (const WeightType type : {WeightType::q8, WeightType::f32}) {
    const PackedMatrix w = random_matrix(type, 2 * width, cols, 3);
    kernels::ThreadTeam team(2);
    Ops ops(kernels::select_kernels(), team, Compute::int8);
    std::vector<float> y = stream;
    kernels::Epilogue epilogue;
    epilogue.residual = y.data();
    epilogue.residual_stride = width;
    ops.matmul(w, x.data(), cols, rows, y.data(), width, epilogue);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::vector<float> expected(width);
      kernels::Epilogue alone;
      alone.residual = &stream[std::size_t(r * width)];
      ops.matmul(w, x.data() + r * cols, cols, 1, expected.data(), width, alone);
      ASSERT_EQ(std::memcmp(expected.data(), &y[std::size_t(r * width)], width * sizeof(float)), 0)
          << "row " << r;
    }
  }
}

}  // namespace
}  // namespace moe
