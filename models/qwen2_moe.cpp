// Qwen2-MoE (Qwen1.5-MoE-A2.7B): routed experts and a gated shared expert. Reference: transformers, models/qwen2_moe.
#include "models/families.h"
#include "models/naming.h"
#include "models/qwen.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  BaseDefaults defaults = qwen_defaults();
  defaults.hidden = 2048;
  defaults.layers = 24;
  defaults.heads = 16;
  ModelSpec spec = read_qwen_base(config, defaults, "qwen2_moe");
  AttentionSpec attention = read_attention(config, defaults, 16);
  attention.q_bias = attention.k_bias = attention.v_bias = config.boolean_or("qkv_bias", true);
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};

  // Without layer_types, the window holds for even layers below max_window_layers; 0 means none.
  const std::int32_t window = read_qwen_window(config);
  const std::int64_t window_layers = config.integer_or("max_window_layers", 28, 0);
  const std::vector<bool> sliding = sliding_layers(config, spec.layer_count());

  const QwenExperts experts = read_qwen_experts(config, spec.layer_count(), {5632, 1408, 60, 4});
  SharedExpertSpec shared;
  shared.width = std::int32_t(config.dimension_or("shared_expert_intermediate_size", 5632));
  shared.gated = true;
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.attention = attention;
    if (sliding.empty() ? i % 2 == 0 && i < window_layers : sliding[i]) layer.attention.window = window;
    if (experts.sparse[i]) {
      layer.experts = experts.routed;
      layer.shared = shared;
    } else {
      layer.dense = experts.dense;
    }
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  NamePatterns names = llama_names();
  const std::string mlp = "model.layers.{i}.mlp.";
  names[Slot::shared_gate] = mlp + "shared_expert.gate_proj.weight";
  names[Slot::shared_up] = mlp + "shared_expert.up_proj.weight";
  names[Slot::shared_down] = mlp + "shared_expert.down_proj.weight";
  names[Slot::shared_expert_gate] = mlp + "shared_expert_gate.weight";
  return locate_by_name(spec, checkpoint, names, {{mlp + "experts.gate_up_proj", mlp + "experts.down_proj"}});
}

}  // namespace

const Family kQwen2Moe{"qwen2_moe", {"qwen2_moe"}, describe, locate};

}  // namespace moe::models
