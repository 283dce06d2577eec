// The experts of one layer (grouping, both products, combination) over numbers of tokens and loads from even
// to heavily skewed, beside a dense MLP that does the same work: the shapes of Qwen3-30B-A3B with half of its
// experts.
#include "benchmarks/bench_main.h"
#include "benchmarks/bench_model.h"

namespace moe::bench {
namespace {

using kernels::Compute;
using kernels::KernelTable;

constexpr std::int32_t kHidden = 2048, kWidth = 768, kExperts = 64, kChosen = 8;

const std::shared_ptr<const Model>& experts_model(float spread) {
  static std::pair<float, std::shared_ptr<const Model>> last{-1.0F,
                                                             nullptr};  // two would take too much memory
  if (last.first != spread) {
    last.second.reset();
    LayerSpec layer;
    layer.experts.emplace();
    layer.experts->router.experts = kExperts;
    layer.experts->router.top_k = kChosen;
    layer.experts->width = kWidth;
    SyntheticOptions options;
    options.router_spread = spread;
    last = {spread, load(one_layer_model(layer, kHidden), options)};
  }
  return last.second;
}

const std::shared_ptr<const Model>& dense_model() {
  static const std::shared_ptr<const Model> model = [] {
    LayerSpec layer;
    layer.dense = MlpSpec{kChosen * kWidth, {}, false};
    return load(one_layer_model(layer, kHidden));
  }();
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
  for (const float spread : {0.0F, 0.25F, 0.9F}) {
    for (const Compute compute : {Compute::f32, Compute::bf16}) {
      for (const std::int32_t tokens : {1, 4, 16, 64, 128, 256, 512}) {
        add(
            "experts/spread:" + std::to_string(spread).substr(0, 4), compute,
            [spread] { return experts_model(spread); }, Component::experts, tokens);
      }
    }
  }
  for (const Compute compute : {Compute::f32, Compute::bf16}) {
    for (const std::int32_t tokens : {1, 16, 64, 512})
      add(
          "dense", compute, [] { return dense_model(); }, Component::dense_mlp, tokens);
  }
}

}  // namespace
}  // namespace moe::bench

int main(int argc, char** argv) {
  moe::bench::register_all();
  return moe::bench::run_registered(argc, argv);
}
