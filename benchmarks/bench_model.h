// Small models of real layer shapes, made up, for benchmarks of whole steps of the forward pass.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "benchmarks/bench_support.h"
#include "engine/runtime/executor.h"
#include "engine/runtime/synthetic_weights.h"

namespace moe::bench {

// `layer` once, below a vocabulary too small to matter. Attention is one small head where the layer has none.
inline ModelSpec one_layer_model(LayerSpec layer, std::int32_t hidden) {
  ModelSpec spec;
  spec.family = "benchmark";
  spec.vocab = 256;
  spec.hidden = hidden;
  spec.max_positions = 1 << 16;
  if (layer.attention.heads == 0) {
    layer.attention.heads = layer.attention.kv_heads = 1;
    layer.attention.key_dim = layer.attention.value_dim = 64;
    layer.attention.scale = 0.125F;
  }
  spec.layers.push_back(std::move(layer));
  validate(spec, "benchmark");
  return spec;
}

inline std::shared_ptr<const Model> load(const ModelSpec& spec, const SyntheticOptions& options = {},
                                         LoadOptions load_options = {}) {
  const SyntheticWeights made = synthetic_weights(spec, options);
  return Model::load(spec, made.locate, made.checkpoint, load_options);
}

// Time of one component of a forward pass over `tokens` tokens of a new sequence, in one thread.
class ComponentBench {
 public:
  ComponentBench(std::shared_ptr<const Model> model, const kernels::KernelTable& table,
                 kernels::Compute compute, std::int32_t tokens)
      : routing_(model->spec(), 16), model_(std::move(model)) {
    Executor::Options options;
    options.kernels = &table;
    options.compute = compute;
    options.profile = &profile_;
    options.routing = &routing_;
    executor_ = std::make_unique<Executor>(model_, team_, options);
    std::uint32_t state = 1;
    for (std::int32_t i = 0; i < tokens; ++i) {
      state = state * 1664525U + 1013904223U;
      tokens_.push_back(std::int32_t(state >> 16) % model_->spec().vocab);
    }
  }

  // Sets the iteration's time; returns the best so far.
  double run(benchmark::State& state, Component part) {
    Sequence sequence = executor_->new_sequence();
    const Feed feed{&sequence, tokens_, LogitsWanted::none};
    CostMeter meter(model_->spec());
    profile_ = Profile();
    executor_->forward({&feed, 1}, &meter);
    costs_ = meter.read();
    const double seconds = profile_[part].seconds;
    state.SetIterationTime(seconds);
    best_ = std::min(best_, seconds);
    return best_;
  }
  // Of one run.
  const Costs& costs() const { return costs_; }
  std::uint64_t bytes(Component part) const { return profile_[part].bytes; }
  const RoutingStats& routing() const { return routing_; }

 private:
  Profile profile_;
  RoutingStats routing_;
  std::shared_ptr<const Model> model_;
  kernels::ThreadTeam team_{1};
  std::unique_ptr<Executor> executor_;
  std::vector<std::int32_t> tokens_;
  Costs costs_;
  double best_ = 1e300;
};

}  // namespace moe::bench
