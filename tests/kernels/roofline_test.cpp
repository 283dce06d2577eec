// The measured limits are of the order of what machines do, instrumented and overloaded ones included.
#include "kernels/roofline.h"

#include <algorithm>

#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

TEST(Roofline, LimitsArePlausible) {
  ThreadTeam team(2);
  for (const KernelTable* table : machine_tables()) {
    const double bandwidth = measure_read_bandwidth(*table, team, std::int64_t{8} << 20, 0.02);
    EXPECT_GT(bandwidth, 1e5) << table->name;
    EXPECT_LT(bandwidth, 1e13) << table->name;
    for (const Compute compute : {Compute::f32, Compute::bf16, Compute::int8}) {
      const double peak = measure_compute_peak(*table, team, compute, 0.02);
      EXPECT_GT(peak, 1e5) << table->name << " " << compute_name(compute);
      EXPECT_LT(peak, 1e14) << table->name << " " << compute_name(compute);
    }
  }
}

// A compiler that sees through the loop does a part of each product once and for all: without dot instructions a peak of more
// than four times FMA's came of it.
TEST(Roofline, PeaksOfInt8WithoutDotInstructionsAreNotThoseOfAdditions) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers slow down one peak more than the other";
#endif
  ThreadTeam one(1);
  for (const std::string_view name : supported_kernel_names()) {
    if (name != "avx2" && name != "avx512") continue;
    const KernelTable& table = select_kernels(name);
    double best_f32 = 0, best_int8 = 0;
    for (int i = 0; i < 3; ++i) {
      best_f32 = std::max(best_f32, measure_compute_peak(table, one, Compute::f32, 0.02));
      best_int8 = std::max(best_int8, measure_compute_peak(table, one, Compute::int8, 0.02));
    }
    EXPECT_LT(best_int8, 3 * best_f32) << name;
  }
}

TEST(Roofline, MemoryThatIsThereIsReadAsItIs) {
  ThreadTeam team(2);
  const KernelTable& table = scalar_table();
  const auto least = static_cast<std::size_t>(ReadBandwidth::least_bytes(team));
  PackedMatrix memory(WeightType::f32, 16, 2 * ReadBandwidth::least_bytes(team) / 64);
  const std::span<std::byte> bytes(memory.tile(0), 2 * least);
  std::ranges::fill(bytes, std::byte{0xFF});  // NaN, as floats
  ReadBandwidth bandwidth(table, team, bytes);
  for (const double measured : {bandwidth.measure(0.02), bandwidth.again()}) {
    EXPECT_GT(measured, 1e5);
    EXPECT_LT(measured, 1e13);
  }
  EXPECT_THROW(ReadBandwidth(table, team, bytes.first(least - 1)), std::invalid_argument);
}

}  // namespace
}  // namespace moe::kernels::test
