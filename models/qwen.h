// What the Qwen families read from config.json in the same way.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "models/common.h"

namespace moe::models {

// Vocabulary and positions of their classes in transformers; the sparse ones differ from Llama's in more.
BaseDefaults qwen_defaults();
// read_base() for a family whose activation must be SiLU.
ModelSpec read_qwen_base(const Config& config, const BaseDefaults& defaults, std::string_view family);

// Queries and keys get a norm over each head; four biases together are an option (Qwen3).
void read_qwen3_attention(AttentionSpec& attention, const Config& config, const NormSpec& norm);

// The window is void (0) unless "use_sliding_window" is set.
std::int32_t read_qwen_window(const Config& config);

// Every layer has this attention and a dense MLP. The window holds where layer_types says so or, without that
// key, from layer max_window_layers on.
void add_dense_qwen_layers(ModelSpec& spec, const Config& config, const AttentionSpec& attention);

// Defaults of a sparse family's class in transformers.
struct QwenExpertDefaults {
  std::int64_t dense_width, expert_width, experts, top_k;
};
struct QwenExperts {
  MlpSpec dense;
  ExpertsSpec routed;
  std::vector<bool> sparse;  // one flag a layer: it has the experts, not the dense MLP
};
QwenExperts read_qwen_experts(const Config& config, std::int32_t layers, const QwenExpertDefaults& defaults);

}  // namespace moe::models
