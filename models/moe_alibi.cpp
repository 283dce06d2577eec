// The research variant of docs/moe-alibi-config.md: ALiBi positions, a dense first layer, then experts with a shared
// expert, and router weights as the softmax gives them. Oracle: tests/golden/alibi_moe.py.
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  BaseDefaults defaults;
  defaults.eps = 1e-5;
  // A format of our own has no published sizes to fall back on.
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"}) config.dimension(key);
  require_one_of(config, "hidden_act", {"silu", "swish"});
  ModelSpec spec = read_base(config, defaults);
  spec.family = "moe_alibi";
  AttentionSpec attention = read_attention(config, defaults, 0);
  attention.rope = -1;
  attention.alibi = true;
  MlpSpec mlp;
  mlp.width = std::int32_t(config.dimension("intermediate_size"));
  ExpertsSpec experts;
  experts.width = std::int32_t(config.dimension("moe_intermediate_size"));
  experts.router.experts = std::int32_t(config.dimension(config.first_of({"num_experts", "num_local_experts"}), 1 << 16));
  experts.router.top_k = std::int32_t(config.dimension("num_experts_per_tok", 1 << 16));
  experts.router.renormalise = config.boolean_or("norm_topk_prob", false);
  SharedExpertSpec shared;
  shared.width = std::int32_t(config.integer_or("shared_expert_intermediate_size", 0, 0, 1 << 24));
  const std::int64_t dense_layers = config.integer_or("first_k_dense_replace", 1, 0);
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.attention = attention;
    if (i < dense_layers) {
      layer.dense = mlp;
    } else {
      layer.experts = experts;
      if (shared.width > 0) layer.shared = shared;
    }
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  NamePatterns names = llama_names();
  const std::string shared = "model.layers.{i}.mlp.shared_expert.";
  names[Slot::shared_gate] = shared + "gate_proj.weight";
  names[Slot::shared_up] = shared + "up_proj.weight";
  names[Slot::shared_down] = shared + "down_proj.weight";
  return locate_by_name(spec, checkpoint, names,
                        {{"model.layers.{i}.mlp.experts.gate_up_proj", "model.layers.{i}.mlp.experts.down_proj"}});
}

}  // namespace

const Family kMoeAlibi{"moe_alibi", {"moe_alibi"}, describe, locate};

}  // namespace moe::models
