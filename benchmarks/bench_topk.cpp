// Selection: routing over numbers of experts and choices, sampling over vocabularies; bytes read a second. Held against the
// bandwidth of memory they may come out above 1: the scores lie in the caches, as they do where they were just computed.
#include "benchmarks/bench_main.h"
#include "benchmarks/bench_support.h"

namespace moe::kernels::bench {
namespace {

void choose(benchmark::State& state, const KernelTable& table, std::int64_t n, int k) {
  const int repeats = static_cast<int>(std::max<std::int64_t>(1, 100000 / n));
  const std::vector<float> x = random_floats(n);
  std::vector<float> values(static_cast<std::size_t>(k));
  std::vector<std::int32_t> indices(values.size());
  BestTime time;
  for (auto _ : state) {
    time.start();
    for (int i = 0; i < repeats; ++i) {
      table.top_k(x.data(), n, k, values.data(), indices.data());
      benchmark::ClobberMemory();
    }
    time.stop(state);
  }
  time.report_bytes(state, static_cast<double>(n) * 4 * repeats, table);
  state.counters["ns/call"] = time.seconds() / repeats * 1e9;
}

}  // namespace
}  // namespace moe::kernels::bench

int main(int argc, char** argv) {
  using namespace moe::kernels;
  for (const std::int64_t n : {8, 64, 128, 256, 1024, 49152, 151936, 262144}) {
    for (const int k : {1, 2, 8, 50, 200}) {
      if (k > n) continue;
      bench::for_each_table(
          "top_k/n:" + std::to_string(n) + "/k:" + std::to_string(k), true,
          [=](benchmark::State& state, const KernelTable& table) { bench::choose(state, table, n, k); });
    }
  }
  return moe::bench::run_registered(argc, argv);
}
