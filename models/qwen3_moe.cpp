// Qwen3 with experts (30B-A3B and its kin). Reference: transformers, models/qwen3_moe.
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
  defaults.max_positions = 32768;
  require_one_of(config, "hidden_act", {"silu", "swish"});
  ModelSpec spec = read_base(config, defaults);
  spec.family = "qwen3_moe";
  AttentionSpec attention = read_attention(config, defaults, 4);
  attention.q_bias = attention.k_bias = attention.v_bias = attention.o_bias = config.boolean_or("attention_bias", false);
  attention.qk_norm = AttentionSpec::NormScope::head;
  attention.q_norm = attention.k_norm = spec.final_norm;
  // Here the window, where it is on, holds for every layer.
  if (config.boolean_or("use_sliding_window", false)) {
    attention.window = std::int32_t(config.integer_or("sliding_window", 4096, 0, kMaxDimension));
  }
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};

  MlpSpec mlp;
  mlp.width = std::int32_t(config.dimension_or("intermediate_size", 6144));
  ExpertsSpec experts;
  experts.width = std::int32_t(config.dimension_or("moe_intermediate_size", 768));
  experts.router.experts = read_expert_count(config, 128);
  experts.router.top_k = std::int32_t(config.dimension_or("num_experts_per_tok", 8));
  experts.router.renormalise = config.boolean_or("norm_topk_prob", false);
  const std::int64_t step = config.dimension_or("decoder_sparse_step", 1);
  std::vector<std::int64_t> dense;
  if (config.has("mlp_only_layers")) dense = config.integers("mlp_only_layers");
  const std::vector<bool> sliding = sliding_layers(config, spec.layer_count());
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.attention = attention;
    if (!sliding.empty() && !sliding[i]) layer.attention.window = 0;
    if (std::ranges::find(dense, i) == dense.end() && (i + 1) % step == 0) {
      layer.experts = experts;
    } else {
      layer.dense = mlp;
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
