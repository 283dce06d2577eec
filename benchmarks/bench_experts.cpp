// The experts of one layer (grouping, both products, combination) over forms of weights, numbers of tokens and loads from
// even to heavily skewed, beside a dense MLP that does the same work: the shapes of Qwen3-30B-A3B with half of its experts.
#include <map>
#include <string>

#include "benchmarks/bench_main.h"
#include "benchmarks/bench_model.h"

namespace moe::bench {
namespace {

using kernels::Compute;
using kernels::KernelTable;

// Weights are made up in bf16; "bf16" names no quantisation, so it leaves them so.
constexpr std::int32_t kHidden = 2048, kWidth = 768, kExperts = 64, kChosen = 8;

LoadOptions in_form(const char* weights) {
  LoadOptions options;
  options.quantise = quantisation(weights);
  return options;
}

const std::shared_ptr<const Model>& experts_model(const char* weights, float spread) {
  using Key = std::pair<std::string, float>;
  static std::pair<Key, std::shared_ptr<const Model>> last;  // two would take too much memory
  if (last.first != Key(weights, spread)) {
    last.second.reset();
    LayerSpec layer;
    layer.experts.emplace();
    layer.experts->router.experts = kExperts;
    layer.experts->router.top_k = kChosen;
    layer.experts->width = kWidth;
    SyntheticOptions options;
    options.router_spread = spread;
    last = {{weights, spread}, load(one_layer_model(layer, kHidden), options, in_form(weights))};
  }
  return last.second;
}

const std::shared_ptr<const Model>& dense_model(const char* weights) {
  static std::map<std::string, std::shared_ptr<const Model>> models;
  std::shared_ptr<const Model>& model = models[weights];
  if (!model) {
    LayerSpec layer;
    layer.dense = MlpSpec{kChosen * kWidth, {}, false};
    model = load(one_layer_model(layer, kHidden), {}, in_form(weights));
  }
  return model;
}

void measure(benchmark::State& state, const std::shared_ptr<const Model>& model, Component part,
             const KernelTable& table, Compute compute, std::int32_t tokens) {
  ComponentBench bench(model, table, compute, tokens);
  double best = 0;
  for (auto _ : state) best = bench.run(state, part);
  const auto flops = static_cast<double>(bench.costs()[part].class_a);
  const auto bytes = static_cast<double>(bench.bytes(part));
  state.counters["GFLOP/s"] = flops / best * 1e-9;
  state.counters["of_peak"] = flops / best / kernels::bench::compute_peak(table, compute);
  state.counters["GB/s"] = bytes / best * 1e-9;
  state.counters["of_bandwidth"] = bytes / best / kernels::bench::read_bandwidth(table);
  if (!bench.routing().layers().empty()) state.counters["balance"] = bench.routing().layers()[0].balance();
}

void add(const std::string& name, Compute compute, auto model, Component part, std::int32_t tokens) {
  kernels::bench::for_each_table(
      name + "/" + kernels::compute_name(compute) + "/tokens:" + std::to_string(tokens), false,
      [=](benchmark::State& state, const KernelTable& table) {
        measure(state, model(), part, table, compute, tokens);
      });
}

void register_all() {
  struct Kind {
    const char* weights;
    Compute compute;
  };
  // Side by side what shares a model.
  const Kind kinds[] = {{"bf16", Compute::f32}, {"bf16", Compute::bf16}, {"q8", Compute::int8}, {"q4", Compute::int8}};
  for (const float spread : {0.0F, 0.25F, 0.9F}) {
    for (const auto& [weights, compute] : kinds) {
      for (const std::int32_t tokens : {1, 4, 16, 64, 128, 256, 512}) {
        add(
            "experts/spread:" + std::to_string(spread).substr(0, 4) + "/" + weights, compute,
            [=, weights = weights] { return experts_model(weights, spread); }, Component::experts, tokens);
      }
    }
  }
  for (const auto& [weights, compute] : kinds) {
    for (const std::int32_t tokens : {1, 16, 64, 512})
      add(
          std::string("dense/") + weights, compute, [weights = weights] { return dense_model(weights); },
          Component::dense_mlp, tokens);
  }
}

}  // namespace
}  // namespace moe::bench

int main(int argc, char** argv) {
  moe::bench::register_all();
  return moe::bench::run_registered(argc, argv);
}
