// Routing one token's logits (scores, choice, weights) over numbers of experts and choices, and rotary
// angles.
#include "benchmarks/bench_main.h"
#include "benchmarks/bench_support.h"
#include "engine/model/rope.h"
#include "engine/runtime/router.h"

namespace moe::bench {
namespace {

using kernels::KernelTable;
using kernels::bench::BestTime;

constexpr std::int64_t kTokens = 256;  // timed together: one is too short for the clock

struct Kind {
  const char* name;
  RouterSpec spec;
};

// The ways that families route; experts and top_k are filled in later.
std::vector<Kind> kinds() {
  RouterSpec softmax;
  softmax.renormalise = true;
  RouterSpec chosen;
  chosen.score = RouterSpec::Score::softmax_of_chosen;
  RouterSpec grouped;
  grouped.score = RouterSpec::Score::sigmoid;
  grouped.choice_bias = true;
  grouped.group_score = RouterSpec::GroupScore::top2_sum;
  grouped.groups = 8;
  grouped.groups_kept = 4;
  grouped.renormalise = true;
  return {{"softmax", softmax}, {"softmax_of_chosen", chosen}, {"sigmoid_in_groups", grouped}};
}

void choose(benchmark::State& state, const KernelTable& table, const RouterSpec& spec) {
  const auto experts = std::size_t(spec.experts);
  const std::vector<float> logits = kernels::bench::random_floats(kTokens * spec.experts);
  const std::vector<float> bias(experts, 0.1F);
  std::vector<float> row(experts), choice(experts), weights(std::size_t(spec.top_k));
  std::vector<std::int32_t> ids(weights.size());
  BestTime time;
  for (auto _ : state) {
    time.start();
    for (std::int64_t t = 0; t < kTokens; ++t) {
      row.assign(logits.begin() + t * spec.experts, logits.begin() + (t + 1) * spec.experts);
      route(spec, table, row, {}, spec.choice_bias ? std::span(bias) : std::span<const float>(), {}, choice,
            ids, weights);
      benchmark::ClobberMemory();
    }
    time.stop(state);
  }
  time.report_bytes(state, static_cast<double>(kTokens * spec.experts) * 4, table);
  time.report_flops(state, static_cast<double>(kTokens) * static_cast<double>(routing_flops(spec)), table);
  state.counters["ns/token"] = time.seconds() / kTokens * 1e9;
}

void angles(benchmark::State& state, const KernelTable& table) {
  RopeSpec rope;
  rope.dims = 128;
  rope.theta = 1e6;
  const std::vector<float> frequencies = inverse_frequencies(rope, 1);
  std::vector<float> cos(std::size_t(rope.pairs())), sin(cos.size());
  BestTime time;
  for (auto _ : state) {
    time.start();
    for (std::int32_t p = 0; p < kTokens; ++p) {
      rope_angles(rope, frequencies, p, cos.data(), sin.data());
      benchmark::ClobberMemory();
    }
    time.stop(state);
  }
  time.report_bytes(state, static_cast<double>(kTokens * rope.pairs()) * 8, table);
  state.counters["ns/token"] = time.seconds() / kTokens * 1e9;
}

void rotate(benchmark::State& state, const KernelTable& table, int heads, int dim,
            kernels::RopeLayout layout) {
  std::vector<float> x = kernels::bench::random_floats(kTokens * heads * dim);
  const std::vector<float> cos(std::size_t(dim / 2), 0.8F), sin(cos.size(), 0.6F);
  BestTime time;
  for (auto _ : state) {
    time.start();
    for (std::int64_t t = 0; t < kTokens; ++t) {
      table.rope(x.data() + t * heads * dim, heads, dim, cos.data(), sin.data(), dim / 2, dim / 2, layout);
    }
    time.stop(state);
    benchmark::DoNotOptimize(x.data());
  }
  const auto numbers = static_cast<double>(kTokens * heads * dim);
  time.report_flops(state, 3 * numbers, table);
  time.report_bytes(state, 8 * numbers, table);
}

void register_all() {
  for (const Kind& kind : kinds()) {
    for (const int experts : {8, 32, 64, 128, 256}) {
      for (const int k : {1, 2, 4, 8}) {
        RouterSpec spec = kind.spec;
        spec.experts = experts;
        spec.top_k = k;
        if (spec.groups > 1 && experts / spec.groups < 2) continue;
        const std::string name =
            std::string("route/") + kind.name + "/E:" + std::to_string(experts) + "/k:" + std::to_string(k);
        kernels::bench::for_each_table(name, true, [spec](benchmark::State& state, const KernelTable& table) {
          choose(state, table, spec);
        });
      }
    }
  }
  kernels::bench::for_each_table("rope_angles/128", false, angles);
  for (const auto layout : {kernels::RopeLayout::half_split, kernels::RopeLayout::interleaved}) {
    for (const int dim : {64, 128, 256}) {
      const bool halves = layout == kernels::RopeLayout::half_split;
      kernels::bench::for_each_table(std::string("rope/") + (halves ? "half_split" : "interleaved") +
                                         "/heads:16/d:" + std::to_string(dim),
                                     true, [=](benchmark::State& state, const KernelTable& table) {
                                       rotate(state, table, 16, dim, layout);
                                     });
    }
  }
}

}  // namespace
}  // namespace moe::bench

int main(int argc, char** argv) {
  moe::bench::register_all();
  return moe::bench::run_registered(argc, argv);
}
