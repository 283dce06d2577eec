// The product of every table, weight type and compute type against a double reference, and bit for bit
// against the scalar table where the contract says so.
#include <algorithm>
#include <functional>
#include <limits>

#include "kernels/quantise.h"
#include "kernels/thread_team.h"
#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

std::string text(const KernelTable& table, WeightType type, Compute compute) {
  return std::string(table.name) + " " + weight_type_name(type) + " " + compute_name(compute);
}

// What rounding the operands may add: half a step of each input's group for int8, 2^-8 of both factors for
// bf16.
std::vector<double> input_errors(const std::vector<float>& x, std::int64_t rows, std::int64_t cols,
                                 Compute compute) {
  std::vector<double> errors(x.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t begin = 0; begin < cols; begin += kQuantGroup) {
      const std::int64_t end = std::min<std::int64_t>(cols, begin + kQuantGroup);
      double amax = 0;
      for (std::int64_t k = begin; k < end; ++k)
        amax = std::max(amax, std::fabs(static_cast<double>(x[r * cols + k])));
      for (std::int64_t k = begin; k < end; ++k) {
        const double magnitude = std::fabs(static_cast<double>(x[r * cols + k]));
        errors[r * cols + k] = compute == Compute::int8   ? amax / 253
                               : compute == Compute::bf16 ? magnitude * 0x1.02p-7
                                                          : 0;
      }
    }
  }
  return errors;
}

// |error| <= (length of the longest chain of sums) eps * sum |w x|, and what rounding the operands adds.
void expect_near_reference(const KernelTable& table, const PackedMatrix& w, const std::vector<float>& x,
                           const std::vector<float>& y, std::int64_t rows, Compute compute) {
  const std::int64_t n_rows = w.rows(), cols = w.cols();
  const double terms = static_cast<double>(std::min<std::int64_t>(cols, 256) + cols / 32 + 3);
  const std::vector<float> values = values_of(w);
  const std::vector<double> errors = input_errors(x, rows, cols, compute);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t n = 0; n < n_rows; ++n) {
      double sum = 0, norm = 0, rounding = 0;
      for (std::int64_t k = 0; k < cols; ++k) {
        const double weight = static_cast<double>(values[static_cast<std::size_t>(n * cols + k)]);
        const double product = weight * static_cast<double>(x[static_cast<std::size_t>(r * cols + k)]);
        sum += product;
        norm += std::fabs(product);
        rounding += std::fabs(weight) * errors[static_cast<std::size_t>(r * cols + k)];
      }
      ASSERT_NEAR(y[static_cast<std::size_t>(r * n_rows + n)], sum, terms * 0x1p-24 * norm + rounding + 1e-30)
          << text(table, w.type(), compute) << " r " << r << " n " << n << " K " << cols;
    }
  }
}

// bf16 sums differ from table to table; everything else has one value.
bool same_everywhere(const KernelTable& table, Compute compute) {
  return std::string_view(table.name) != "openblas" &&
         (compute != Compute::bf16 || table.bf16_input_bytes == 4);
}

void for_types(const std::function<void(WeightType, Compute)>& f) {
  for (const WeightType type : weight_types()) {
    for (const Compute compute : computes_of(type)) f(type, compute);
  }
}

TEST(Matmul, EveryRemainderOfRowsOutputsAndInputs) {
  const std::int64_t row_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 15, 25, 29, 32, 45};
  const std::int64_t outputs[] = {1, 2, 15, 16, 17, 31, 33, 64, 81, 100, 130};
  const std::int64_t inputs[] = {1, 2, 3, 7, 16, 33, 63, 255, 256, 257, 515};
  std::uint32_t seed = 1;
  for_types([&](WeightType type, Compute compute) {
    for (const std::int64_t n : outputs) {
      for (const std::int64_t k : inputs) {
        const PackedMatrix w = random_matrix(type, n, k, seed++);
        // One pick of rows per shape, all picks over the sweep; the others follow from
        // RowsInTheCallChangeNothing.
        const std::int64_t rows = row_counts[seed % std::size(row_counts)];
        const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), seed);
        const std::vector<float> expected = multiply(scalar_table(), w, x, rows, compute);
        for (const KernelTable* table : all_tables()) {
          const std::vector<float> y = multiply(*table, w, x, rows, compute);
          expect_near_reference(*table, w, x, y, rows, compute);
          if (same_everywhere(*table, compute)) {
            ASSERT_TRUE(same_bits(expected, y))
                << text(*table, type, compute) << " " << rows << " x " << n << " x " << k;
          }
        }
      }
    }
  });
}

// The outputs of `rows` rows of x, a call each.
std::vector<float> multiply_one_by_one(const KernelTable& table, const PackedMatrix& w, const std::vector<float>& x, std::int64_t rows,
                                       Compute compute) {
  const auto k = static_cast<std::ptrdiff_t>(x.size()) / rows;
  std::vector<float> all;
  for (auto row = x.begin(); row != x.end(); row += k) {
    const std::vector<float> y = multiply(table, w, {row, row + k}, 1, compute);
    all.insert(all.end(), y.begin(), y.end());
  }
  return all;
}

TEST(Matmul, RowsInTheCallChangeNothing) {
  const std::int64_t n = 83, k = 531, all = 70;
  const std::vector<float> x = random_floats(static_cast<std::size_t>(all * k), 6);
  for_types([&](WeightType type, Compute compute) {
    const PackedMatrix w = random_matrix(type, n, k, 5);
    for (const KernelTable* table : exact_tables()) {
      const std::vector<float> one_by_one = multiply_one_by_one(*table, w, x, all, compute);
      const std::int64_t most = table == &scalar_table() ? 3 : is_emulated(table) ? 9 : all;  // slow ones
      for (std::int64_t rows = 1; rows <= most; ++rows) {
        const std::vector<float> expected(one_by_one.begin(), one_by_one.begin() + rows * n);
        for (const int streams : {8, 4, 1}) {
          if (streams < 8 && rows > 4) break;  // tile by tile, or several side by side: a matter of few rows
          const AssumeStreams assumed(streams);
          ASSERT_TRUE(same_bits(expected, multiply(*table, w, x, rows, compute)))
              << text(*table, type, compute) << " " << rows << " streams: " << streams;
        }
      }
    }
  });
}

// As many rows as a layer takes together (rows_together of the tables) and about so: few outputs and inputs will do.
TEST(Matmul, ManyRowsInTheCallChangeNothing) {
  const std::int64_t n = 45, k = 70, all = kMostRowsTogether;
  const std::vector<float> x = random_floats(static_cast<std::size_t>(all * k), 7);
  for_types([&](WeightType type, Compute compute) {
    const PackedMatrix w = random_matrix(type, n, k, 8);
    for (const KernelTable* table : exact_tables()) {
      if (table == &scalar_table()) continue;  // takes row by row
      const std::vector<float> one_by_one = multiply_one_by_one(*table, w, x, all, compute);
      for (const std::int64_t rows : {128, 192, 224, 225, 256}) {
        const std::vector<float> expected(one_by_one.begin(), one_by_one.begin() + rows * n);
        ASSERT_TRUE(same_bits(expected, multiply(*table, w, x, rows, compute)))
            << text(*table, type, compute) << " " << rows;
      }
    }
  });
}

TEST(Matmul, AlignmentChangesNothing) {
  const std::int64_t n = 37, k = 70, all = 18;
  const std::vector<float> x = random_floats(static_cast<std::size_t>(all * k), 61);
  for_types([&](WeightType type, Compute compute) {
    const PackedMatrix w = random_matrix(type, n, k, 62);
    for (const KernelTable* table : exact_tables()) {
      for (const std::int64_t rows : {std::int64_t{1}, all}) {
        const std::vector<float> expected = multiply(*table, w, x, rows, compute);
        for (std::size_t offset = 1; offset < 16; ++offset) {
          // Vectors begin at 16 bytes at least: all places within 64 bytes are met, if not in order.
          std::vector<float> inputs(offset + static_cast<std::size_t>(rows * k)), y(offset + expected.size());
          std::copy_n(x.begin(), rows * k, inputs.begin() + static_cast<std::ptrdiff_t>(offset));
          PackedInput input;
          input.bind(*table, compute, &inputs[offset], k, rows, k);
          table->prepare(input, 0, rows);
          table->matmul(w, input.all(), {}, &y[offset], n, 0, n);
          ASSERT_EQ(std::memcmp(&y[offset], expected.data(), expected.size() * sizeof(float)), 0)
              << text(*table, type, compute) << " rows " << rows << " offset " << offset;
        }
      }
    }
  });
}

TEST(Matmul, TheEmulatedTilesAreTheProcessors) {
  const std::vector<std::string_view> names = supported_kernel_names();
  if (std::find(names.begin(), names.end(), "amx") == names.end()) GTEST_SKIP() << "no AMX here";
  for (const float scale : {1.0F, 1e-19F, 3e-20F}) {  // the last ones so small that products are denormal
    for (const std::int64_t k : {1, 31, 32, 63, 256, 290, 800}) {
      for (const std::int64_t rows : {1, 2, 17, 40}) {
        StoredMatrix stored(WeightType::bf16, 50, k, 3);
        for (std::size_t i = 0; i < stored.values.size(); ++i) {
          const std::uint16_t half = to_bf16(stored.values[i] * scale);
          std::memcpy(&stored.bytes[i * 2], &half, sizeof half);
        }
        const PackedMatrix w = pack(std::span(&stored.view, 1));
        const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), 4, scale);
        ASSERT_TRUE(same_bits(multiply(select_kernels("amx"), w, x, rows, Compute::bf16),
                              multiply(kSimdeAmxTable, w, x, rows, Compute::bf16)))
            << rows << " x " << k << " of " << scale;
      }
    }
  }
}

TEST(Matmul, ManyRowsAndLongInputs) {  // beyond every cache block
  const std::int64_t n = 150, k = 1100, rows = 600;
  const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), 10);
  for_types([&](WeightType type, Compute compute) {
    const PackedMatrix w = random_matrix(type, n, k, 9);
    for (const KernelTable* table : exact_tables()) {
      if (table == &scalar_table()) continue;
      const std::int64_t some =
          is_emulated(table) ? 50 : rows;  // slow, and the cache blocks are the same code
      const std::vector<float> y = multiply(*table, w, x, some, compute);
      for (const std::int64_t r : {0, 1, 49, 95, 96, 255, 300, 599}) {
        if (r >= some) break;
        const std::vector<float> row(x.begin() + r * k, x.begin() + (r + 1) * k);
        const KernelTable& reference = same_everywhere(*table, compute) ? scalar_table() : *table;
        const std::vector<float> expected = multiply(reference, w, row, 1, compute);
        EXPECT_EQ(std::memcmp(&y[r * n], expected.data(), n * sizeof(float)), 0)
            << text(*table, type, compute) << " " << r;
      }
    }
  });
}

TEST(Matmul, SplitsOfOutputsAndThreadsStridesAndAlignmentChangeNothing) {
  const std::int64_t n = 117, k = 300, rows = 45, ldx = k + 5, ldy = n + 3;
  const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), 12);
  std::vector<float> strided(static_cast<std::size_t>(rows * ldx + 1), NAN);
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(&x[r * k], k, &strided[1 + r * ldx]);
  for_types([&](WeightType type, Compute compute) {
    const PackedMatrix w = random_matrix(type, n, k, 11);
    for (const KernelTable* table : exact_tables()) {
      const std::vector<float> expected = multiply(*table, w, x, rows, compute);
      PackedInput input;
      input.bind(*table, compute, &strided[1], ldx, rows, k);
      for (int threads = 1; threads <= 8; ++threads) {
        ThreadTeam team(threads);
        team.parallel_for(
            rows, 1, [&](std::int64_t begin, std::int64_t end, int) { table->prepare(input, begin, end); });
        std::vector<float> y(static_cast<std::size_t>(rows * ldy), 42.0F);
        team.parallel_for(n, row_granularity(), [&](std::int64_t begin, std::int64_t end, int) {
          table->matmul(w, input.all(), {}, y.data(), ldy, begin, end);
        });
        for (std::int64_t r = 0; r < rows; ++r) {
          ASSERT_EQ(std::memcmp(&y[r * ldy], &expected[r * n], n * sizeof(float)), 0)
              << text(*table, type, compute) << " " << threads;
          for (std::int64_t i = n; i < ldy; ++i) ASSERT_EQ(y[r * ldy + i], 42.0F) << "wrote past the end";
        }
      }
    }
  });
}

TEST(Matmul, PartsOfAnInputAndRowsTakenFromElsewhere) {
  const std::int64_t n = 40, k = 300, rows = 21;
  const std::vector<float> x = random_floats(static_cast<std::size_t>(7 * k), 13);
  std::vector<std::int32_t> source;
  for (std::int32_t r = 0; r < rows; ++r) source.push_back(r * 5 % 7);
  for_types([&](WeightType type, Compute compute) {
    const PackedMatrix w = random_matrix(type, n, k, 14);
    for (const KernelTable* table : exact_tables()) {
      const std::vector<float> expected = multiply(*table, w, x, 7, compute);
      PackedInput input;
      input.bind(*table, compute, x.data(), k, rows, k, source.data());
      table->prepare(input, 0, rows);
      std::vector<float> y(static_cast<std::size_t>(rows * n));
      for (std::int64_t r = 0; r < rows; r += 8) {
        table->matmul(w, input.rows(r, std::min<std::int64_t>(8, rows - r)), {}, &y[r * n], n, 0, n);
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        ASSERT_EQ(std::memcmp(&y[r * n], &expected[source[r] * n], n * sizeof(float)), 0)
            << text(*table, type, compute);
      }
    }
  });
}

// In f32 rows at a stride that suits are read in place, others from a copy.
TEST(Matmul, RowsReadWhereTheyLieGiveTheBitsOfCopies) {
  const std::int64_t n = 45, k = 512, stride = spread_stride(k);
  ASSERT_NE(stride, k);
  ASSERT_EQ(spread_stride(k + 3), k + 3);
  for (const std::int64_t rows : {2, 17, 230}) {
    const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), 31);
    std::vector<float> spread(static_cast<std::size_t>(rows * stride), std::numeric_limits<float>::quiet_NaN());
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(&x[r * k], k, &spread[r * stride]);
    for (const WeightType type : {WeightType::f32, WeightType::bf16, WeightType::f16}) {
      const PackedMatrix w = random_matrix(type, n, k, 32);
      for (const KernelTable* table : all_tables()) {
        PackedInput copied, in_place;
        copied.bind(*table, Compute::f32, x.data(), k, rows, k);
        in_place.bind(*table, Compute::f32, spread.data(), stride, rows, k);
        ASSERT_FALSE(copied.borrowed());
        ASSERT_TRUE(in_place.borrowed());
        table->prepare(in_place, 0, rows);
        std::vector<float> y(static_cast<std::size_t>(rows * n));
        table->matmul(w, in_place.all(), {}, y.data(), n, 0, n);
        EXPECT_TRUE(same_bits(multiply(*table, w, x, rows), y)) << text(*table, type, Compute::f32) << " rows " << rows;
      }
    }
  }
}

TEST(Matmul, EpiloguesAreTheSeparateStepsToTheBit) {
  const std::int64_t k = 300;
  for_types([&](WeightType type, Compute compute) {
    for (const std::int64_t f : {16, 45}) {
      for (const std::int64_t rows : {1, 3, 40}) {
        const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), 15);
        const std::vector<float> bias = random_floats(static_cast<std::size_t>(2 * f), 16);
        const std::vector<float> residual = random_floats(static_cast<std::size_t>(rows * 2 * f), 17);
        const PackedMatrix stacked = random_matrix(type, 2 * f, k, 18);
        const PackedMatrix gated = random_matrix(type, 2 * f, k, 18, RowOrder::gate_up);
        for (const KernelTable* table : exact_tables()) {
          if (table == &scalar_table() && rows > 3) continue;
          std::vector<float> expected = multiply(*table, stacked, x, rows, compute);
          for (std::int64_t r = 0; r < rows; ++r)
            table->add(&expected[r * 2 * f], bias.data(), 2 * f, &expected[r * 2 * f]);
          std::vector<float> sum(expected.size());
          table->add(residual.data(), expected.data(), rows * 2 * f, sum.data());
          const Epilogue both = {.bias = bias.data(), .residual = residual.data(), .residual_stride = 2 * f};
          ASSERT_TRUE(same_bits(sum, multiply(*table, stacked, x, rows, compute, both)))
              << text(*table, type, compute);

          for (const Activation activation :
               {Activation::silu, Activation::gelu_tanh, Activation::clamped_swiglu}) {
            std::vector<float> hidden(static_cast<std::size_t>(rows * f));
            for (std::int64_t r = 0; r < rows; ++r) {
              const float* gate = &expected[r * 2 * f];
              float* out = &hidden[r * f];
              if (activation == Activation::silu) table->silu_mul(gate, gate + f, f, out);
              if (activation == Activation::gelu_tanh) table->gelu_tanh_mul(gate, gate + f, f, out);
              if (activation == Activation::clamped_swiglu)
                table->clamped_swiglu(gate, gate + f, 1.7F, 2.0F, f, out);
            }
            const Epilogue fused = {
                .bias = bias.data(), .activation = activation, .alpha = 1.7F, .limit = 2.0F};
            ASSERT_TRUE(same_bits(hidden, multiply(*table, gated, x, rows, compute, fused)))
                << text(*table, type, compute) << " " << static_cast<int>(activation) << " rows " << rows
                << " F " << f;
          }
        }
      }
    }
  });
}

// More outputs than are kept in the caches, at places and distances that can and cannot be written past them.
TEST(Matmul, ManyOutputsWhereverTheyLie) {
  const std::int64_t rows = 130, k = 5;
  const std::vector<float> x = random_floats(rows * k, 41);
  for (const std::int64_t n : {2048, 2061}) {
    for (const RowOrder order : {RowOrder::stacked, RowOrder::gate_up}) {
      const std::int64_t stored = order == RowOrder::gate_up ? 2 * n : n;
      const StoredMatrix w(WeightType::bf16, stored, k, 42);
      const PackedMatrix packed = pack(std::vector{w.view}, WeightType::bf16, order);
      const std::vector<float> expected = multiply(scalar_table(), packed, x, rows, Compute::f32);
      for (const KernelTable* table : exact_tables()) {
        if (is_emulated(table) && n == 2061) continue;  // slow
        for (const auto& [offset, stride] : {std::pair{0, 2064}, {16, 2064}, {1, 2064}, {0, 2065}}) {
          std::vector<float> room(static_cast<std::size_t>(rows * stride + 32), -7.0F);
          float* y = room.data();
          while (reinterpret_cast<std::uintptr_t>(y) % 64 != 0) ++y;
          y += offset;
          PackedInput input;
          input.bind(*table, Compute::f32, x.data(), k, rows, k);
          table->prepare(input, 0, rows);
          table->matmul(packed, input.all(), {}, y, stride, 0, n);
          for (std::int64_t r = 0; r < rows; ++r) {
            ASSERT_EQ(std::memcmp(y + r * stride, &expected[r * n], n * sizeof(float)), 0)
                << table->name << " row " << r << " offset " << offset << " stride " << stride;
            for (std::int64_t i = n; i < stride && r + 1 < rows; ++i) ASSERT_EQ(y[r * stride + i], -7.0F);
          }
        }
      }
    }
  }
}

// Few rows of short tiles, which are read in runs of several: where each output goes, and the tiles that make no whole run.
TEST(Matmul, ShortTilesInRuns) {
  for_types([&](WeightType type, Compute compute) {
    for (const auto& [n, k] : {std::pair{600, 40}, {530, 300}}) {
      const std::vector<float> bias = random_floats(static_cast<std::size_t>(2 * n), 51);
      for (const RowOrder order : {RowOrder::stacked, RowOrder::gate_up}) {
        const PackedMatrix w = random_matrix(type, order == RowOrder::gate_up ? 2 * n : n, k, 52, order);
        for (const std::int64_t rows : {1, 2, 3}) {
          const std::vector<float> x = random_floats(static_cast<std::size_t>(rows * k), 53);
          for (const KernelTable* table : exact_tables()) {
            if (is_emulated(table) && (k > 40 || rows == 2)) continue;  // slow
            const auto product = [&](int streams) {
              const AssumeStreams assumed(streams);
              return multiply(*table, w, x, rows, compute, {.bias = bias.data()});
            };
            const std::vector<float> in_one = product(1);
            for (const int streams : {4, 8}) {
              ASSERT_TRUE(same_bits(in_one, product(streams)))
                  << text(*table, type, compute) << " rows " << rows << " K " << k << " streams " << streams;
            }
          }
        }
      }
    }
  });
}

TEST(Matmul, ResidualsInPlace) {
  const std::int64_t n = 50, k = 64, rows = 9;
  const std::vector<float> x = random_floats(rows * k, 21), residual = random_floats(rows * n, 22);
  const PackedMatrix w = random_matrix(WeightType::bf16, n, k, 23);
  for (const KernelTable* table : all_tables()) {
    const std::vector<float> expected =
        multiply(*table, w, x, rows, Compute::f32, {.residual = residual.data(), .residual_stride = n});
    std::vector<float> y = residual;
    PackedInput input;
    input.bind(*table, Compute::f32, x.data(), k, rows, k);
    table->prepare(input, 0, rows);
    table->matmul(w, input.all(), {.residual = y.data(), .residual_stride = n}, y.data(), n, 0, n);
    EXPECT_TRUE(same_bits(expected, y)) << table->name;
  }
}

// The largest quants of both signs everywhere: no sum saturates on the way.
TEST(Matmul, ExtremesOfTheIntegersAreExact) {
  const std::int64_t n = 48, k = 512;
  for (const WeightType type : {WeightType::q8, WeightType::q4}) {
    for (const float sign : {1.0F, -1.0F}) {
      for (const bool alternate : {false, true}) {
        std::vector<float> weights(static_cast<std::size_t>(n * k));
        std::vector<float> x(static_cast<std::size_t>(45 * k));
        for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = alternate && i % 2 != 0 ? -sign : sign;
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = alternate && i % 2 != 0 ? -127.0F : 127.0F;
        const PackedMatrix w = pack(std::vector{row_major(WeightType::f32, weights.data(), n, k)}, type);
        for (const std::int64_t rows : {1, 2, 20, 45}) {
          const std::vector<float> expected = multiply(scalar_table(), w, x, rows, Compute::int8);
          EXPECT_NEAR(expected[0], sign * 127 * 512, 127 * 512 * 0.005);
          for (const KernelTable* table : exact_tables()) {
            ASSERT_TRUE(same_bits(expected, multiply(*table, w, x, rows, Compute::int8)))
                << table->name << " " << weight_type_name(type) << " " << sign << alternate << rows;
          }
        }
      }
    }
  }
}

TEST(Matmul, InputsThatHaveNoQuantsSpoilTheirOwnRowAlone) {
  const std::int64_t n = 20, k = 100, all = 40;
  for (const WeightType type : {WeightType::q8, WeightType::q4}) {
    const PackedMatrix w = random_matrix(type, n, k, 31);
    std::vector<float> x = random_floats(all * k, 32);
    x[0 * k + 7] = NAN;
    x[1 * k + 99] = INFINITY;
    std::fill_n(&x[2 * k], k, 0.0F);
    std::fill_n(&x[3 * k], 40, 1e-38F);
    x[5 * k + 50] = std::nextafter(kMostAmax, 0.0F);  // the largest that has a scale
    x[6 * k + 50] = -kMostAmax;
    const std::vector<float> expected = multiply(scalar_table(), w, x, all, Compute::int8);
    for (const KernelTable* table : exact_tables()) {
      for (const std::int64_t rows : {std::int64_t{7}, all}) {  // by vectors, and by tiles where there are some
        const std::vector<float> y = multiply(*table, w, x, rows, Compute::int8);
        for (std::int64_t i = 0; i < n; ++i) {
          EXPECT_TRUE(std::isnan(y[i]) && std::isnan(y[n + i]) && std::isnan(y[6 * n + i])) << table->name;
          EXPECT_EQ(y[2 * n + i], 0.0F) << table->name;
        }
        EXPECT_EQ(std::memcmp(&y[2 * n], &expected[2 * n], 4 * n * sizeof(float)), 0) << table->name;
        EXPECT_EQ(std::memcmp(&y[7 * n], &expected[7 * n], (rows - 7) * n * sizeof(float)), 0) << table->name;
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
    for (const WeightType type : weight_types()) {
      const PackedMatrix no_inputs(type, 3, 0);
      for (const Compute compute : computes_of(type)) {
        y = multiply(*table, no_inputs, {}, 2, compute);
        EXPECT_EQ(y, std::vector<float>(6, 0.0F)) << table->name;
      }
    }
  }
}

}  // namespace
}  // namespace moe::kernels::test
