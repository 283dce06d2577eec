// Routing statistics as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/runtime/routing_stats.h"

namespace moe::tools {

// {window, layers: [{layer, experts, top_k, tokens, load, mean_weight, entropy_bits, balance, pairs: [[a, b, count]],
// mean_distinct, sets}]}; pairs that never met are left out.
nlohmann::json routing_json(const RoutingStats& stats);

}  // namespace moe::tools
