// Measurement of the memory and arithmetic limits with the instructions of a table.
#include "kernels/roofline.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <stdexcept>

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

// How many streams are read fastest, and in runs of which length, differs from one processor to the next, by a third.
constexpr std::array kPatterns{ReadPattern{1, false}, ReadPattern{2, false},  ReadPattern{4, false}, ReadPattern{8, false},
                               ReadPattern{8, true},  ReadPattern{16, false}, ReadPattern{4, false, 8192},
                               ReadPattern{8, true, 8192}};
constexpr std::int64_t kRow = kPatterns.back().streams * kPatterns.back().run;  // floats; a whole number of reads
constexpr std::int64_t kFloat = sizeof(float);

}  // namespace

ReadBandwidth::ReadBandwidth(const KernelTable& table, ThreadTeam& team, std::int64_t bytes)
    : kernels_(roofline_kernels(table)),
      team_(team),
      own_(WeightType::f32, std::max(bytes, least_bytes(team)) / (kRow * kFloat) * kLanes, kRow / kLanes),
      memory_(reinterpret_cast<const float*>(own_.tile(0))),
      share_(own_.bytes() / team.size() / (kRow * kFloat) * kRow) {
  team_.run([&](int worker, int) {  // each worker touches its own part first
    std::fill_n(reinterpret_cast<float*>(own_.tile(0)) + worker * share_, share_, 1.0F);
  });
}

ReadBandwidth::ReadBandwidth(const KernelTable& table, ThreadTeam& team, std::span<const std::byte> memory)
    : kernels_(roofline_kernels(table)),
      team_(team),
      memory_(reinterpret_cast<const float*>(memory.data())),
      share_(std::ssize(memory) / team.size() / (kRow * kFloat) * kRow) {
  if (share_ == 0) throw std::invalid_argument("read bandwidth: too little memory for the team");
}

std::int64_t ReadBandwidth::least_bytes(const ThreadTeam& team) noexcept { return kRow * kFloat * team.size(); }

double ReadBandwidth::best_time(ReadPattern pattern, double seconds) {
  std::atomic<std::uint32_t> sink = 0;
  return best_pass(team_, seconds, [&](int worker, int) {
    // What is read may be the bits of anything; a comparison, so that nothing is left out.
    sink += kernels_.read_all(memory_ + worker * share_, share_, pattern) > 0 ? 1U : 0U;
  });
}

double ReadBandwidth::bytes_read() const { return static_cast<double>(share_ * kFloat * team_.size()); }

double ReadBandwidth::measure(double seconds) {
  double time = HUGE_VAL;
  for (const ReadPattern& pattern : kPatterns) {
    const double taken = best_time(pattern, seconds / kPatterns.size());
    if (taken < time) {
      time = taken;
      pattern_ = pattern;
    }
  }
  return bytes_read() / time;
}

double ReadBandwidth::again() { return bytes_read() / best_time(pattern_, 0); }

double measure_read_bandwidth(const KernelTable& table, ThreadTeam& team, std::int64_t bytes,
                              double seconds) {
  return ReadBandwidth(table, team, bytes).measure(seconds);
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
