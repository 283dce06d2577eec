// The stand-ins for FLOPs that papers report.
#include "engine/model/proxies.h"

#include <algorithm>

#include "engine/model/closed_form.h"
#include "engine/model/weights.h"

namespace moe {
namespace {

// Sum over queries 1 ... n of the keys each of them sees.
std::int64_t visible_keys(std::int64_t n, std::int64_t window) {
  const std::int64_t grows = window > 0 ? std::min(n, window) : n;
  return grows * (grows + 1) / 2 + (n - grows) * window;
}

}  // namespace

CostProxies::CostProxies(const ModelSpec& spec)
    : matmul_(matmul_parameters(spec)),
      head_(std::int64_t{spec.vocab} * spec.hidden),
      router_(count_parameters(spec).router),
      hidden_layers_(std::int64_t{spec.hidden} * spec.layer_count()) {
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    slopes_[a.window] += 2 * std::int64_t{a.heads} * (a.key_dim + a.value_dim);
  }
}

std::uint64_t CostProxies::twice_active(std::int64_t tokens) const {
  return static_cast<std::uint64_t>(2 * active_parameters() * tokens);
}

std::uint64_t CostProxies::with_attention(std::int64_t tokens) const {
  return static_cast<std::uint64_t>(tokens * (2 * active_without_router() + 4 * hidden_layers_ * tokens));
}

std::uint64_t CostProxies::by_component(std::int64_t tokens, std::int64_t logit_rows) const {
  std::int64_t flops = 2 * matmul_ * tokens + 2 * head_ * logit_rows;
  for (const auto& [window, slope] : slopes_) flops += slope * visible_keys(tokens, window);
  return static_cast<std::uint64_t>(flops);
}

}  // namespace moe
