#include "engine/runtime/routing_stats.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/error.h"

namespace moe {

RoutingStats::RoutingStats(const ModelSpec& spec, std::int32_t window) : window_(std::max(window, 1)) {
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    const auto& experts = spec.layers[i].experts;
    index_.push_back(experts ? std::int32_t(layers_.size()) : -1);
    if (!experts) continue;
    Layer layer;
    layer.layer = i;
    layer.experts = experts->router.experts;
    layer.top_k = experts->router.top_k;
    layer.load.resize(layer.experts);
    layer.weight_sum.resize(layer.experts);
    layer.open_set.resize(layer.experts);
    if (layer.experts <= kMaxPairExperts) layer.pairs.resize(std::size_t(layer.experts) * layer.experts);
    layers_.push_back(std::move(layer));
  }
  if (layers_.empty()) throw Error(ErrorKind::usage, Fault{"", "routing statistics", "a model with experts", "a dense " + spec.family + " model"});
}

void RoutingStats::add(std::int32_t model_layer, std::span<const std::int32_t> experts, std::span<const float> weights) {
  Layer& layer = layers_[index_[model_layer]];
  const auto k = std::size_t(layer.top_k);
  for (std::size_t row = 0; row * k < experts.size(); ++row) {
    const auto chosen = experts.subspan(row * k, k);
    ++layer.tokens;
    for (std::size_t j = 0; j < k; ++j) {
      ++layer.load[chosen[j]];
      layer.weight_sum[chosen[j]] += weights[row * k + j];
      layer.open_set[chosen[j]] = true;
      // Experts come in ascending order, so a pair's first is the smaller one.
      for (std::size_t other = j + 1; other < k && !layer.pairs.empty(); ++other) {
        ++layer.pairs[std::size_t(chosen[j]) * layer.experts + chosen[other]];
      }
    }
    if (++layer.open_tokens < window_) continue;
    std::vector<std::int32_t> set;
    for (std::int32_t e = 0; e < layer.experts; ++e) {
      if (layer.open_set[e]) set.push_back(e);
    }
    layer.sets.push_back(std::move(set));
    layer.open_set.assign(layer.experts, false);
    layer.open_tokens = 0;
  }
}

void RoutingStats::clear() {
  for (Layer& layer : layers_) {
    layer.tokens = 0;
    layer.load.assign(layer.load.size(), 0);
    layer.weight_sum.assign(layer.weight_sum.size(), 0);
    layer.pairs.assign(layer.pairs.size(), 0);
    layer.sets.clear();
    layer.open_set.assign(layer.open_set.size(), false);
    layer.open_tokens = 0;
  }
}

double RoutingStats::Layer::mean_weight(std::int32_t expert) const {
  return load[expert] == 0 ? 0 : weight_sum[expert] / static_cast<double>(load[expert]);
}

double RoutingStats::Layer::entropy_bits() const {
  const auto total = static_cast<double>(std::accumulate(load.begin(), load.end(), std::uint64_t{0}));
  double bits = 0;
  for (const std::uint64_t n : load) {
    if (n > 0) bits -= static_cast<double>(n) / total * std::log2(static_cast<double>(n) / total);
  }
  return bits;
}

double RoutingStats::Layer::balance() const {
  const auto total = static_cast<double>(std::accumulate(load.begin(), load.end(), std::uint64_t{0}));
  return total == 0 ? 0 : static_cast<double>(*std::ranges::max_element(load)) * experts / total;
}

double RoutingStats::Layer::mean_distinct() const {
  double sum = 0;
  for (const auto& set : sets) sum += static_cast<double>(set.size());
  return sets.empty() ? 0 : sum / static_cast<double>(sets.size());
}

}  // namespace moe
