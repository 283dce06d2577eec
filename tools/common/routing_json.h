// Routing statistics as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/runtime/routing_stats.h"

namespace moe::tools {

// The object that docs/routing.md describes.
nlohmann::json routing_json(const RoutingStats& stats);

}  // namespace moe::tools
