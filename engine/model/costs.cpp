#include "engine/model/costs.h"

namespace moe {

std::string_view name(Component component) noexcept {
  static constexpr std::array<std::string_view, kComponents> kNames{
      "embedding", "attn_proj", "attn_core", "router", "experts", "shared_expert",
      "dense_mlp", "per_layer_embedding", "norm", "elementwise", "lm_head"};
  return kNames[static_cast<std::size_t>(component)];
}

Flops& Flops::operator+=(const Flops& other) {
  class_a += other.class_a;
  class_b += other.class_b;
  return *this;
}

Flops& Flops::operator-=(const Flops& other) {
  class_a -= other.class_a;
  class_b -= other.class_b;
  return *this;
}

Flops Costs::total() const {
  Flops sum;
  for (const Flops& f : components) sum += f;
  return sum;
}

void Costs::add(const Costs& other) {
  tokens += other.tokens;
  weight_bytes += other.weight_bytes;
  kv_bytes += other.kv_bytes;
  for (std::size_t i = 0; i < kComponents; ++i) components[i] += other.components[i];
}

}  // namespace moe
