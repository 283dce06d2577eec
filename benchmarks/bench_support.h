// What the kernel benchmarks share: random weights, tables by name, rooflines measured once in this process.
#pragma once

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/roofline.h"

namespace moe::kernels::bench {

inline std::vector<float> random_floats(std::int64_t n) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = uniform(generator);
  return values;
}

// The peak of a table for products in `compute`, measured once.
inline double compute_peak(const KernelTable& table, Compute compute) {
  static ThreadTeam one(1);
  static std::map<std::pair<const KernelTable*, Compute>, double> known;
  double& peak = known[{&table, compute}];
  if (peak == 0) peak = measure_compute_peak(table, one, compute, 0.3);
  return peak;
}

// Bytes that no cache holds: weights of fewer are read from there, whatever is said of memory.
inline std::int64_t cold_bytes() { return std::int64_t{600} << 20; }

inline double read_bandwidth(const KernelTable& table) {
  static ThreadTeam one(1);
  static const double bandwidth = measure_read_bandwidth(table, one, cold_bytes(), 1.0);
  return bandwidth;
}

// Reports the best iteration, in processor time of this thread: other work on the machine only ever makes one
// slower.
class BestTime {
 public:
  void start() { begin_ = now(); }
  void stop(benchmark::State& state) {
    const double seconds = now() - begin_;
    state.SetIterationTime(seconds);
    best_ = std::min(best_, seconds);
  }
  void report_flops(benchmark::State& state, double flops, const KernelTable& table,
                    Compute compute = Compute::f32) const {
    report_flops(state, flops, compute_peak(table, compute));
  }
  // `peak`: operations a second at most.
  void report_flops(benchmark::State& state, double flops, double peak) const {
    state.counters["GFLOP/s"] = flops / best_ * 1e-9;
    state.counters["of_peak"] = flops / best_ / peak;
  }
  void report_bytes(benchmark::State& state, double bytes, const KernelTable& table) const {
    state.counters["GB/s"] = bytes / best_ * 1e-9;
    state.counters["of_bandwidth"] = bytes / best_ / read_bandwidth(table);
  }
  double seconds() const { return best_; }

 private:
  static double now() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  double begin_ = 0;
  double best_ = 1e300;
};

// One benchmark a table that runs here; the scalar one only where it ends soon.
template <typename Run>
void for_each_table(const std::string& name, bool with_scalar, Run run) {
  for (const std::string_view table : supported_kernel_names()) {
    if (table == "scalar" && !with_scalar) continue;
    benchmark::RegisterBenchmark((std::string(table) + "/" + name).c_str(), [&kernels = select_kernels(table),
                                                                             run](benchmark::State& state) {
      run(state, kernels);
    })->UseManualTime();
  }
}

}  // namespace moe::kernels::bench
