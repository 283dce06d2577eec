#include "tools/common/routing_json.h"

#include <nlohmann/json.hpp>

namespace moe::tools {

nlohmann::json routing_json(const RoutingStats& stats) {
  using nlohmann::json;
  json layers = json::array();
  for (const RoutingStats::Layer& l : stats.layers()) {
    json weights = json::array(), pairs = l.pairs.empty() ? json() : json::array();
    json open = json::array();  // distinct experts of the window that is not full yet
    for (std::int32_t e = 0; e < l.experts; ++e) {
      weights.push_back(l.mean_weight(e));
      if (l.open_set[e]) open.push_back(e);
    }
    for (std::int32_t a = 0; a < l.experts && !l.pairs.empty(); ++a) {
      for (std::int32_t b = a + 1; b < l.experts; ++b) {
        if (const auto n = l.pairs[std::size_t(a) * l.experts + b]; n > 0) pairs.push_back({a, b, n});
      }
    }
    layers.push_back({{"layer", l.layer}, {"experts", l.experts}, {"top_k", l.top_k}, {"tokens", l.tokens},
                      {"load", l.load}, {"mean_weight", weights}, {"entropy_bits", l.entropy_bits()},
                      {"balance", l.balance()}, {"pairs", pairs}, {"mean_distinct", l.mean_distinct()}, {"sets", l.sets},
                      {"open_set", {{"tokens", l.open_tokens}, {"experts", open}}}});
  }
  return {{"window", stats.window()}, {"layers", layers}};
}

}  // namespace moe::tools
