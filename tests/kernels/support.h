// What the kernel tests share: random data, bit comparison, weights in every type.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/tables.h"
#include "tests/kernels/simde/tables.h"
#include "tests/support/same_bits.h"

namespace moe::kernels::test {

// Kernels read memory in so many streams, whatever suits the processor, as long as this lives.
class AssumeStreams {
 public:
  explicit AssumeStreams(int fastest) : was_(fastest_streams()) { assume_fastest_streams(fastest); }
  ~AssumeStreams() { assume_fastest_streams(was_); }
  AssumeStreams(const AssumeStreams&) = delete;
  AssumeStreams& operator=(const AssumeStreams&) = delete;

 private:
  int was_;
};

inline std::vector<float> random_floats(std::size_t n, std::uint32_t seed, float scale = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

inline std::uint16_t to_bf16(float value) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >>
                                    16);  // truncation will do for tests
}
inline float from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}
// Normal halves only: |value| in [2^-14, 65504) or 0.
inline std::uint16_t to_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const int exponent = static_cast<int>((bits >> 23) & 0xFF) - 112;
  if (exponent <= 0) return 0;
  return static_cast<std::uint16_t>(((bits >> 16) & 0x8000) | static_cast<std::uint32_t>(exponent << 10) |
                                    ((bits >> 13) & 0x3FF));
}

// A random matrix stored in `type` of float, with the values it stands for.
struct StoredMatrix {
  std::vector<std::byte> bytes;
  std::vector<float> values;  // [rows][cols]
  MatrixView view;

  StoredMatrix(WeightType type, std::int64_t rows, std::int64_t cols, std::uint32_t seed)
      : bytes(static_cast<std::size_t>(stored_bytes(type, rows, cols))),
        values(random_floats(static_cast<std::size_t>(rows * cols), seed)) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (type == WeightType::f32) {
        std::memcpy(&bytes[i * 4], &values[i], 4);
        continue;
      }
      std::uint16_t half = to_bf16(values[i]);
      if (type == WeightType::f16) {
        half = to_f16(values[i]);
        const float magnitude =
            std::ldexp(static_cast<float>((half & 0x3FF) + 1024), ((half >> 10) & 31) - 25);
        values[i] = half == 0 ? 0.0F : (half & 0x8000) != 0 ? -magnitude : magnitude;
      } else {
        values[i] = from_bf16(half);
      }
      std::memcpy(&bytes[i * 2], &half, 2);
    }
    view = row_major(type, bytes.data(), rows, cols);
  }
};

using moe::test::same_bits;

// Types that checkpoints store and matrices keep as they are, and all that matrices can have.
inline const std::vector<WeightType>& float_types() {
  static const std::vector<WeightType> types = {WeightType::f32, WeightType::f16, WeightType::bf16};
  return types;
}
inline const std::vector<WeightType>& weight_types() {
  static const std::vector<WeightType> types = {WeightType::f32, WeightType::f16, WeightType::bf16,
                                                WeightType::q8, WeightType::q4};
  return types;
}
// What products with this type can compute in.
inline std::vector<Compute> computes_of(WeightType type) {
  std::vector<Compute> computes;
  for (const Compute compute : {Compute::f32, Compute::bf16, Compute::int8}) {
    if (product_compute(type, compute) == compute) computes.push_back(compute);
  }
  return computes;
}

// A random matrix in `type`, quantised from f32 where the type says so.
inline PackedMatrix random_matrix(WeightType type, std::int64_t rows, std::int64_t cols, std::uint32_t seed,
                                  RowOrder order = RowOrder::stacked) {
  const bool is_float = type == WeightType::f32 || type == WeightType::f16 || type == WeightType::bf16;
  const StoredMatrix stored(is_float ? type : WeightType::f32, rows, cols, seed);
  return pack(std::vector{stored.view}, type, order);
}
// The numbers a matrix holds, row by row.
inline std::vector<float> values_of(const PackedMatrix& matrix) {
  std::vector<float> values(static_cast<std::size_t>(matrix.rows() * matrix.cols()));
  for (std::int64_t r = 0; r < matrix.rows(); ++r) gather_row(matrix, r, values.data() + r * matrix.cols());
  return values;
}

// The product by one call for all outputs; inputs [rows][cols] without gaps.
inline std::vector<float> multiply(const KernelTable& table, const PackedMatrix& w,
                                   const std::vector<float>& x, std::int64_t rows,
                                   Compute compute = Compute::f32, const Epilogue& epilogue = {}) {
  PackedInput input;
  input.bind(table, compute, x.data(), w.cols(), rows, w.cols());
  table.prepare(input, 0, rows);
  std::vector<float> y(static_cast<std::size_t>(rows * w.outputs()), -7.0F);
  table.matmul(w, input.all(), epilogue, y.data(), w.outputs(), 0, w.outputs());
  return y;
}

// Tables that this processor runs.
inline std::vector<const KernelTable*> machine_tables() {
  std::vector<const KernelTable*> tables;
  for (const std::string_view name : supported_kernel_names()) tables.push_back(&select_kernels(name));
  return tables;
}
// The AVX-512 and AMX tables over SIMDe, on every processor with AVX2: equal bits, but slow.
inline std::vector<const KernelTable*> emulated_tables() {
#if defined(__x86_64__)
  const std::vector<std::string_view> names = supported_kernel_names();
  if (std::find(names.begin(), names.end(), "avx2") != names.end()) {
    return {&kSimdeAvx512Table, &kSimdeAvx512Bf16Table, &kSimdeAmxTable};
  }
#endif
  return {};
}
inline bool is_emulated(const KernelTable* table) {
  const std::vector<const KernelTable*> tables = emulated_tables();
  return std::find(tables.begin(), tables.end(), table) != tables.end();
}
// All of them, and those bound by the bitwise contract (scalar among them).
inline std::vector<const KernelTable*> all_tables() {
  std::vector<const KernelTable*> tables = machine_tables();
  for (const KernelTable* table : emulated_tables()) tables.push_back(table);
  return tables;
}
inline std::vector<const KernelTable*> exact_tables() {
  std::vector<const KernelTable*> tables = all_tables();
  std::erase_if(tables, [](const KernelTable* table) { return std::string_view(table->name) == "openblas"; });
  return tables;
}
inline const KernelTable& scalar_table() { return select_kernels("scalar"); }

}  // namespace moe::kernels::test
