// Qwen3 with experts (30B-A3B and its kin). Reference: transformers, models/qwen3_moe.
#include "models/families.h"
#include "models/naming.h"
#include "models/qwen.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  BaseDefaults defaults = qwen_defaults();
  defaults.hidden = 2048;
  defaults.layers = 24;
  ModelSpec spec = read_qwen_base(config, defaults, "qwen3_moe");
  AttentionSpec attention = read_attention(config, defaults, 4);
  read_qwen3_attention(attention, config, spec.final_norm);
  // Here the window, where it is on, holds for every layer.
  attention.window = read_qwen_window(config);
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};

  const QwenExperts experts = read_qwen_experts(config, spec.layer_count(), {6144, 768, 128, 8});
  const std::vector<bool> sliding = sliding_layers(config, spec.layer_count());
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.attention = attention;
    if (!sliding.empty() && !sliding[i]) layer.attention.window = 0;
    if (experts.sparse[i]) {
      layer.experts = experts.routed;
    } else {
      layer.dense = experts.dense;
    }
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  return locate_by_name(spec, checkpoint, llama_names(),
                        {{"model.layers.{i}.mlp.experts.gate_up_proj", "model.layers.{i}.mlp.experts.down_proj"}});
}

}  // namespace

const Family kQwen3Moe{"qwen3_moe", {"qwen3_moe"}, describe, locate};

}  // namespace moe::models
