// OLMoE: experts in every layer, norms over the whole projected query and key. Reference: transformers, models/olmoe.
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  BaseDefaults defaults;
  defaults.hidden = 2048;
  defaults.layers = 16;
  defaults.heads = 16;
  defaults.vocab = 50304;
  defaults.max_positions = 4096;
  defaults.eps = 1e-5;
  require_one_of(config, "hidden_act", {"silu", "swish"});
  ModelSpec spec = read_base(config, defaults);
  spec.family = "olmoe";
  AttentionSpec attention = read_attention(config, defaults, 0);
  attention.q_bias = attention.k_bias = attention.v_bias = attention.o_bias = config.boolean_or("attention_bias", false);
  attention.qk_norm = AttentionSpec::NormScope::projection;
  attention.q_norm = attention.k_norm = spec.final_norm;
  if (config.has("clip_qkv")) attention.clip_qkv = static_cast<float>(config.positive("clip_qkv"));
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};
  ExpertsSpec experts;
  experts.width = std::int32_t(config.dimension_or("intermediate_size", 2048));
  experts.router.experts = read_expert_count(config, 64);
  experts.router.top_k = std::int32_t(config.dimension_or("num_experts_per_tok", 8));
  experts.router.renormalise = config.boolean_or("norm_topk_prob", false);
  for (LayerSpec& layer : spec.layers) {
    layer.attention = attention;
    layer.experts = experts;
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  return locate_by_name(spec, checkpoint, llama_names(),
                        {{"model.layers.{i}.mlp.experts.gate_up_proj", "model.layers.{i}.mlp.experts.down_proj"}});
}

}  // namespace

const Family kOlmoe{"olmoe", {"olmoe"}, describe, locate};

}  // namespace moe::models
