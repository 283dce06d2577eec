// Qwen2-MoE (Qwen1.5-MoE-A2.7B): routed experts and a gated shared expert. Reference: transformers, models/qwen2_moe.
#include <algorithm>

#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  BaseDefaults defaults;
  defaults.vocab = 151936;
  defaults.hidden = 2048;
  defaults.layers = 24;
  defaults.heads = 16;
  defaults.max_positions = 32768;
  require_one_of(config, "hidden_act", {"silu", "swish"});
  ModelSpec spec = read_base(config, defaults);
  spec.family = "qwen2_moe";
  AttentionSpec attention = read_attention(config, defaults, 16);
  attention.q_bias = attention.k_bias = attention.v_bias = config.boolean_or("qkv_bias", true);
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};

  // Without layer_types, the window holds for even layers below max_window_layers; 0 means none.
  const bool windowed = config.boolean_or("use_sliding_window", false);
  const auto window = std::int32_t(windowed ? config.integer_or("sliding_window", 4096, 0, kMaxDimension) : 0);
  const std::int64_t window_layers = config.integer_or("max_window_layers", 28, 0);
  const std::vector<bool> sliding = sliding_layers(config, spec.layer_count());

  MlpSpec mlp;
  mlp.width = std::int32_t(config.dimension_or("intermediate_size", 5632));
  ExpertsSpec experts;
  experts.width = std::int32_t(config.dimension_or("moe_intermediate_size", 1408));
  experts.router.experts = read_expert_count(config, 60);
  experts.router.top_k = std::int32_t(config.dimension_or("num_experts_per_tok", 4));
  experts.router.renormalise = config.boolean_or("norm_topk_prob", false);
  SharedExpertSpec shared;
  shared.width = std::int32_t(config.dimension_or("shared_expert_intermediate_size", 5632));
  shared.gated = true;
  const std::int64_t step = config.dimension_or("decoder_sparse_step", 1);
  std::vector<std::int64_t> dense;
  if (config.has("mlp_only_layers")) dense = config.integers("mlp_only_layers");
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.attention = attention;
    if (sliding.empty() ? i % 2 == 0 && i < window_layers : sliding[i]) layer.attention.window = window;
    if (std::ranges::find(dense, i) == dense.end() && (i + 1) % step == 0) {
      layer.experts = experts;
      layer.shared = shared;
    } else {
      layer.dense = mlp;
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
