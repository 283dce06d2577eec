// The forms that weights are quantised to at load, and the names users give them.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

#include "engine/model/weights.h"
#include "kernels/compute.h"

namespace moe {

// The types of matrices: of the head, which counts most for the logits and is a large part of a small model, and of all
// others that are not kept (kept_when_quantised).
struct Quantisation {
  std::string_view name;
  kernels::WeightType matrices, head;

  kernels::WeightType type_of(Slot slot) const { return makes_head(slot) ? head : matrices; }
};
inline constexpr Quantisation kQuantisations[] = {
    {"q8", kernels::WeightType::q8, kernels::WeightType::q8},
    {"q4", kernels::WeightType::q4, kernels::WeightType::q4},
    {"q4h8", kernels::WeightType::q4, kernels::WeightType::q8},
};

// Nothing for other names: types as they are stored.
constexpr std::optional<Quantisation> quantisation(std::string_view name) {
  const auto* found = std::ranges::find(kQuantisations, name, &Quantisation::name);
  return found == std::end(kQuantisations) ? std::nullopt : std::optional(*found);
}
constexpr std::string_view form_name(const std::optional<Quantisation>& form) { return form ? form->name : "native"; }

}  // namespace moe
