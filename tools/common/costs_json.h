// Costs as the JSON that docs/costs.md describes.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/model/costs.h"

namespace moe::tools {

// {tokens, class_a, class_b, weight_bytes, kv_bytes, params_touched, components: {NAME: {class_a, class_b}}}; a
// component that did nothing is absent.
nlohmann::json costs_json(const Costs& costs);

}  // namespace moe::tools
