// Counts one consumer's work (a phase of a run, an item of a benchmark): plain sums, and the set of weights it used.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/costs.h"
#include "engine/model/spec.h"

namespace moe {

// Not thread-safe; the forward pass writes it from the calling thread only.
class CostMeter {
 public:
  explicit CostMeter(const ModelSpec& spec);

  Costs& costs() { return costs_; }
  // The sums, with params_touched brought up to date.
  const Costs& read();

  // Takes in what another meter of the same model counted: sums add up, sets unite.
  void add(const CostMeter& other);

  // What the forward pass reports.
  void touch_dense() { dense_touched_ = true; }      // all layers' unrouted weights, and the final norm
  void touch_head() { head_touched_ = true; }
  void touch_token(std::int32_t token);              // embedding rows of a token
  void touch_expert(std::int32_t layer, std::int32_t expert);

 private:
  Costs costs_;
  std::int64_t dense_params_, head_params_, row_params_;
  bool tied_;
  bool dense_touched_ = false, head_touched_ = false;
  std::vector<bool> tokens_;
  std::int64_t token_count_ = 0;
  std::vector<std::int64_t> expert_params_;       // [layer], of one expert
  std::vector<std::vector<bool>> experts_;        // [layer][expert]
  std::int64_t touched_expert_params_ = 0;
};

}  // namespace moe
