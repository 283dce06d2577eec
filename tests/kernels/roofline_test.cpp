// The measured limits are of the order of what machines do, instrumented and overloaded ones included.
#include "kernels/roofline.h"

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
      EXPECT_LT(peak, 1e13) << table->name << " " << compute_name(compute);
    }
  }
}

}  // namespace
}  // namespace moe::kernels::test
