// Routing: which experts a token goes to, and with what weights.
#pragma once

#include <cstdint>
#include <span>

#include "engine/model/costs.h"
#include "engine/model/spec.h"
#include "kernels/kernel_table.h"

namespace moe {

// Turns one row of router logits [E] into the chosen experts and their weights [k], in ascending order of expert,
// which is the order they are summed in. Ties go to the lower expert. `logits` is overwritten; `choice` is scratch
// of E floats. The steps are RouterSpec's: bias, score, choice bias, groups, top-k, renormalise, scales.
void route(const RouterSpec& spec, const kernels::KernelTable& kernels, std::span<float> logits,
           std::span<const float> bias, std::span<const float> choice_bias, std::span<const float> expert_scale,
           std::span<float> choice, std::span<std::int32_t> experts, std::span<float> weights);

// Class B FLOPs of routing one token (class A, 2 E H, is the matrix product's).
std::uint64_t routing_flops(const RouterSpec& spec);

}  // namespace moe
