// Closed forms of costs, from a ModelSpec alone: the second opinion on what the forward pass counts.
#pragma once

#include <cstdint>

#include "engine/model/costs.h"
#include "engine/model/spec.h"

namespace moe {

// FLOPs by component of feeding `tokens` tokens to a sequence that holds `past`, with logits for the last
// `logit_rows` of them (docs/costs.md). Layers that own no cache and stand behind the last one that does run for
// those rows only.
Costs closed_form(const ModelSpec& spec, std::int64_t past, std::int64_t tokens, std::int64_t logit_rows);

// 2 n_q (d_k + d_v) summed over layers that see everything, and over those with a window shorter than the model's
// context; the latent form counts its absorbed products.
struct AttentionSlopes {
  std::int64_t full = 0, sliding = 0;
  std::int64_t window = 0;  // of the sliding layers; 0 if there are none or they differ
};
AttentionSlopes attention_slopes(const ModelSpec& spec);

// M: parameters outside the head that multiply one token's activations.
std::int64_t matmul_parameters(const ModelSpec& spec);

}  // namespace moe
