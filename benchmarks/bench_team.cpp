// The thread team: what a job costs that does nothing, and one that comes after the workers have gone to
// sleep.
#include <benchmark/benchmark.h>

#include <chrono>
#include <thread>

#include "kernels/thread_team.h"

namespace moe::kernels {
namespace {

void empty_job(benchmark::State& state) {
  ThreadTeam team(static_cast<int>(state.range(0)));
  for (auto _ : state) team.run([](int, int) {});
}

// Three microseconds of serial work between jobs, as between the products of a decode step.
void with_serial_parts(benchmark::State& state) {
  ThreadTeam team(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::microseconds(3)) {
    }
    team.run([](int, int) {});
  }
}

void after_sleep(benchmark::State& state) {
  ThreadTeam team(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto start = std::chrono::steady_clock::now();
    team.run([](int, int) {});
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
}

BENCHMARK(empty_job)->DenseRange(1, 4)->Arg(8)->UseRealTime();
BENCHMARK(with_serial_parts)->Arg(2)->Arg(8)->UseRealTime();
BENCHMARK(after_sleep)->Arg(2)->Arg(8)->UseManualTime();

}  // namespace
}  // namespace moe::kernels

BENCHMARK_MAIN();
