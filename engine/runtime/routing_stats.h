// How a model's routers spread tokens over experts: load, weights, entropy, balance, pairs, working sets.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/spec.h"

namespace moe {

// Collects what the forward pass chose. Give it to an Executor; one thread at a time.
class RoutingStats {
 public:
  // Working sets are listed for every `window` tokens, in the order they were computed.
  RoutingStats(const ModelSpec& spec, std::int32_t window);

  // experts, weights: [rows, k] of one layer.
  void add(std::int32_t layer, std::span<const std::int32_t> experts, std::span<const float> weights);

  // Forgets everything that was added.
  void clear();

  struct Layer {
    std::int32_t layer = 0, experts = 0, top_k = 0;
    std::uint64_t tokens = 0;
    std::vector<std::uint64_t> load;       // [E] times chosen
    std::vector<double> weight_sum;        // [E]
    std::vector<std::uint32_t> pairs;      // [E, E], upper triangle: times both were chosen; empty above kMaxPairExperts
    std::vector<std::vector<std::int32_t>> sets;  // distinct experts of each whole window, ascending
    std::vector<bool> open_set;            // of the window under way
    std::int32_t open_tokens = 0;

    double mean_weight(std::int32_t expert) const;  // 0 if it was never chosen
    double entropy_bits() const;   // of the load; log2(E) if it is even
    double balance() const;        // max / mean load; 1 if it is even
    double mean_distinct() const;  // experts a whole window
  };
  // Layers that route, in order.
  const std::vector<Layer>& layers() const { return layers_; }
  std::int32_t window() const { return window_; }

  static constexpr std::int32_t kMaxPairExperts = 512;

 private:
  std::int32_t window_;
  std::vector<Layer> layers_;
  std::vector<std::int32_t> index_;  // model layer -> index into layers_, -1 where nothing routes
};

}  // namespace moe
