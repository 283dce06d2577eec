#include "tools/common/costs_json.h"

#include <nlohmann/json.hpp>

namespace moe::tools {

nlohmann::json costs_json(const Costs& costs) {
  nlohmann::json components = nlohmann::json::object();
  for (std::size_t i = 0; i < kComponents; ++i) {
    const auto c = static_cast<Component>(i);
    if (costs[c] == Flops{}) continue;
    components[std::string(name(c))] = {{"class_a", costs[c].class_a}, {"class_b", costs[c].class_b}};
  }
  const Flops total = costs.total();
  return {{"tokens", costs.tokens},         {"class_a", total.class_a},   {"class_b", total.class_b},
          {"weight_bytes", costs.weight_bytes}, {"kv_bytes", costs.kv_bytes}, {"params_touched", costs.params_touched},
          {"components", components}};
}

}  // namespace moe::tools
