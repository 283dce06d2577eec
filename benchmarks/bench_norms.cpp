// Kernels over single vectors: norms, rotation, activations, softmax; bytes read and written a second. Held against the
// bandwidth of memory they may come out above 1: vectors of these lengths lie in the caches, as they do in a layer.
#include <functional>

#include "benchmarks/bench_main.h"
#include "benchmarks/bench_support.h"

namespace moe::kernels::bench {
namespace {

// `bytes` a call; a call is repeated so that one timing is some tens of microseconds.
void run(benchmark::State& state, const KernelTable& table, double bytes, const std::function<void()>& call) {
  const int repeats = std::max(1, static_cast<int>(4e5 / bytes));
  BestTime time;
  for (auto _ : state) {
    time.start();
    for (int i = 0; i < repeats; ++i) call();
    time.stop(state);
    benchmark::ClobberMemory();
  }
  time.report_bytes(state, bytes * repeats, table);
  state.counters["ns/call"] = time.seconds() / repeats * 1e9;
}

using Call = std::function<void(const KernelTable&, std::int64_t, float*, const float*)>;

void add(const std::string& kernel, double bytes_an_element, const Call& call) {
  for (const std::int64_t n : {128, 1024, 4096, 16384}) {
    for_each_table(kernel + "/" + std::to_string(n), true,
                   [=](benchmark::State& state, const KernelTable& table) {
                     std::vector<float> x = random_floats(n);
                     const std::vector<float> other = random_floats(n);
                     run(state, table, bytes_an_element * static_cast<double>(n),
                         [&] { call(table, n, x.data(), other.data()); });
                   });
  }
}

void register_all() {
  add("rmsnorm", 12, [](const KernelTable& t, std::int64_t n, float* x, const float* w) {
    t.rmsnorm(x, w, false, 1e-6F, n, x);
  });
  add("rope/heads_of_128", 12, [](const KernelTable& t, std::int64_t n, float* x, const float* w) {
    t.rope(x, static_cast<int>(n / 128), 128, w, w + 64, 64, 64, RopeLayout::half_split);
  });
  add("silu_mul", 12,
      [](const KernelTable& t, std::int64_t n, float* x, const float* w) { t.silu_mul(w, w, n, x); });
  add("gelu_tanh_mul", 12,
      [](const KernelTable& t, std::int64_t n, float* x, const float* w) { t.gelu_tanh_mul(w, w, n, x); });
  add("softmax", 8, [](const KernelTable& t, std::int64_t n, float* x, const float*) { t.softmax(x, n); });
  add("softcap", 8,
      [](const KernelTable& t, std::int64_t n, float* x, const float* w) { t.softcap(w, 30, n, x); });
  add("scale_add", 12,
      [](const KernelTable& t, std::int64_t n, float* x, const float* w) { t.scale_add(w, 1e-6F, n, x); });
  add("log_sum_exp", 4, [](const KernelTable& t, std::int64_t n, float*, const float* w) {
    benchmark::DoNotOptimize(t.log_sum_exp(w, n));
  });
}

}  // namespace
}  // namespace moe::kernels::bench

int main(int argc, char** argv) {
  moe::kernels::bench::register_all();
  return moe::bench::run_registered(argc, argv);
}
