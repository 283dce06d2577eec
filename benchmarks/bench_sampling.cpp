// Choosing a token out of a whole vocabulary: milliseconds a draw, and the logits' bytes against the
// bandwidth.
#include <memory>

#include "benchmarks/bench_main.h"
#include "benchmarks/bench_support.h"
#include "engine/runtime/sampler.h"

namespace moe {
namespace {

using kernels::bench::BestTime;

// Logits like a language model's: a few candidates above a broad floor.
std::vector<float> logits_like(std::int64_t vocab) {
  std::vector<float> logits = kernels::bench::random_floats(vocab);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = 3 * logits[i] + (i % 5000 == 7 ? 14.0F : 0.0F);
  return logits;
}

template <typename Run>
void add(const std::string& name, Run run) {
  for (const std::int64_t vocab : {std::int64_t{151936}, std::int64_t{262144}}) {
    benchmark::RegisterBenchmark((name + "/" + std::to_string(vocab)).c_str(), [=](benchmark::State& state) {
      const std::vector<float> logits = logits_like(vocab);
      BestTime time;
      for (auto _ : state) {
        time.start();
        run(logits);
        time.stop(state);
      }
      state.counters["ms"] = time.seconds() * 1e3;
      time.report_bytes(state, 4.0 * static_cast<double>(vocab), kernels::select_kernels());
    })->UseManualTime();
  }
}

void add_sampler(const std::string& name, const SamplingOptions& options) {
  const auto sampler = std::make_shared<Sampler>(options);
  add("sample/" + name,
      [sampler](const std::vector<float>& logits) { benchmark::DoNotOptimize(sampler->next(logits, {})); });
}

void register_all() {
  SamplingOptions o;
  o.temperature = 0;
  add_sampler("greedy", o);
  add_sampler("default", {});
  o = {.temperature = 0.6F, .top_k = 20, .top_p = 0.95F, .min_p = 0};
  add_sampler("top_k_20_top_p", o);
  o.top_k = 0;
  add_sampler("top_p_alone", o);
  o.top_p = 1;
  o.min_p = 0.05F;
  add_sampler("min_p_alone", o);
  o.min_p = 0;
  add_sampler("temperature_alone", o);
  add("log_sum_exp", [](const std::vector<float>& logits) { benchmark::DoNotOptimize(log_sum_exp(logits)); });
  add("argmax", [](const std::vector<float>& logits) { benchmark::DoNotOptimize(argmax(logits)); });
  add("top_logprobs/20",
      [](const std::vector<float>& logits) { benchmark::DoNotOptimize(top_logprobs(logits, 20)); });
}

}  // namespace
}  // namespace moe

int main(int argc, char** argv) {
  moe::register_all();
  return moe::bench::run_registered(argc, argv);
}
