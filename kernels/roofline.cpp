// Measurement of the memory and arithmetic limits with the instructions of a table.
#include "kernels/roofline.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>

#include "kernels/numerics.h"
#include "kernels/tables.h"

namespace moe::kernels {
namespace {

using Clock = std::chrono::steady_clock;

// The shortest of the passes of `job` that fit in `seconds`, two at least.
template <typename Job>
double best_pass(ThreadTeam& team, double seconds, Job job) {
  double best = HUGE_VAL;
  const Clock::time_point start = Clock::now();
  for (int pass = 0; pass < 2 || std::chrono::duration<double>(Clock::now() - start).count() < seconds;
       ++pass) {
    const Clock::time_point begin = Clock::now();
    team.run(job);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace

double measure_read_bandwidth(const KernelTable& table, ThreadTeam& team, std::int64_t bytes,
                              double seconds) {
  const RooflineKernels& kernels = roofline_kernels(table);
  // How many streams of pages are read fastest differs from one processor to the next, by a third.
  constexpr std::array kStreams{1, 2, 4, 8, 16};
  constexpr std::int64_t row = kStreams.back() * kReadPage;  // floats; a whole number of reads
  const std::int64_t share =
      std::max<std::int64_t>(1, bytes / (team.size() * row * static_cast<std::int64_t>(sizeof(float))));
  // A packed matrix is used for its memory: aligned, on huge pages, freed at the end.
  PackedMatrix memory(WeightType::f32, share * team.size() * kLanes, row / kLanes);
  std::atomic<std::uint32_t> sink = 0;
  team.run([&](int worker, int) {  // each worker touches its own part first
    float* part = reinterpret_cast<float*>(memory.tile(worker * share));
    std::fill_n(part, share * row, 1.0F);
  });
  double time = HUGE_VAL;
  for (const int streams : kStreams) {
    time = std::min(time, best_pass(team, seconds / kStreams.size(), [&](int worker, int) {
                      const float* part = reinterpret_cast<const float*>(memory.tile(worker * share));
                      sink += kernels.read_all(part, share * row, streams) > 0 ? 1U : 0U;
                    }));
  }
  return static_cast<double>(memory.bytes()) / time;
}

double measure_compute_peak(const KernelTable& table, ThreadTeam& team, Compute compute, double seconds) {
  const RooflineKernels::Burn& burn = roofline_kernels(table).burn[static_cast<int>(compute)];
  constexpr std::int64_t kIterations = 500'000;
  std::atomic<std::uint32_t> sink = 0;
  const double time =
      best_pass(team, seconds, [&](int, int) { sink += burn.run(kIterations) > 0 ? 1U : 0U; });
  return static_cast<double>(kIterations * burn.operations) * team.size() / time;
}

}  // namespace moe::kernels
