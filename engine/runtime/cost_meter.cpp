#include "engine/runtime/cost_meter.h"

#include "engine/model/weights.h"

namespace moe {

CostMeter::CostMeter(const ModelSpec& spec)
    : tied_(spec.tied_head), tokens_(spec.vocab), expert_params_(spec.layers.size()), experts_(spec.layers.size()) {
  const std::int64_t embedding = std::int64_t{spec.vocab} * spec.hidden;
  head_params_ = embedding;  // tied: the same numbers
  row_params_ = spec.hidden;
  std::int64_t lookup = embedding + (tied_ ? 0 : head_params_);
  std::int64_t routed = 0;
  if (const auto& p = spec.per_layer_embedding) {
    const std::int64_t row = std::int64_t{spec.layer_count()} * p->width;
    row_params_ += row;
    lookup += row * p->vocab;
  }
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const auto& e = spec.layers[i].experts;
    if (!e) continue;
    expert_params_[i] = std::int64_t{3} * spec.hidden * e->width + (e->bias ? 2 * e->width + spec.hidden : 0);
    routed += expert_params_[i] * e->router.experts;
    experts_[i].resize(e->router.experts);
  }
  dense_params_ = count_parameters(spec).total() - lookup - routed;
}

void CostMeter::touch_token(std::int32_t token) {
  if (tokens_[token]) return;
  tokens_[token] = true;
  ++token_count_;
}

void CostMeter::touch_expert(std::int32_t layer, std::int32_t expert) {
  if (experts_[layer][expert]) return;
  experts_[layer][expert] = true;
  touched_expert_params_ += expert_params_[layer];
}

void CostMeter::add(const CostMeter& other) {
  costs_.add(other.costs_);
  dense_touched_ = dense_touched_ || other.dense_touched_;
  head_touched_ = head_touched_ || other.head_touched_;
  for (std::size_t t = 0; other.token_count_ > 0 && t < tokens_.size(); ++t) {
    if (other.tokens_[t]) touch_token(std::int32_t(t));
  }
  for (std::size_t i = 0; i < experts_.size(); ++i) {
    for (std::size_t e = 0; e < experts_[i].size(); ++e) {
      if (other.experts_[i][e]) touch_expert(std::int32_t(i), std::int32_t(e));
    }
  }
}

const Costs& CostMeter::read() {
  std::int64_t sum = touched_expert_params_ + token_count_ * row_params_;
  if (dense_touched_) sum += dense_params_;
  if (head_touched_) {
    // A tied head covers the embedding rows that were looked up.
    sum += head_params_ - (tied_ ? token_count_ * std::int64_t(head_params_ / std::int64_t(tokens_.size())) : 0);
  }
  costs_.params_touched = static_cast<std::uint64_t>(sum);
  return costs_;
}

}  // namespace moe
