// Mixtral, from 8x7B to the research checkpoints with hundreds of experts. Reference: transformers, models/mixtral.
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  BaseDefaults defaults;
  defaults.eps = 1e-5;
  defaults.max_positions = 4096 * 32;
  require_one_of(config, "hidden_act", {"silu", "swish"});
  ModelSpec spec = read_base(config, defaults);
  spec.family = "mixtral";
  AttentionSpec attention = read_attention(config, defaults, 8);
  // An integer window holds for every layer.
  attention.window = std::int32_t(config.integer_or("sliding_window", 0, 0, kMaxDimension));
  RopeDefaults rope;
  rope.theta = 1e6;
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, rope)};
  ExpertsSpec experts;
  experts.width = std::int32_t(config.dimension_or("intermediate_size", 14336));
  experts.router.experts = read_expert_count(config, 8);
  experts.router.top_k = std::int32_t(config.dimension_or("num_experts_per_tok", 2));
  experts.router.renormalise = true;
  for (LayerSpec& layer : spec.layers) {
    layer.attention = attention;
    layer.experts = experts;
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  NamePatterns names = llama_names();
  const std::string block = "model.layers.{i}.block_sparse_moe.";
  // Released files keep the names of the first implementation; files written from the run-time layout have "mlp".
  if (checkpoint.find(expand(block + "gate.weight", 0)) != nullptr || checkpoint.find("model.layers.0.mlp.gate.weight") == nullptr) {
    names[Slot::router] = block + "gate.weight";
    names[Slot::expert_gate] = block + "experts.{e}.w1.weight";
    names[Slot::expert_up] = block + "experts.{e}.w3.weight";
    names[Slot::expert_down] = block + "experts.{e}.w2.weight";
  }
  return locate_by_name(spec, checkpoint, names,
                        {{"model.layers.{i}.mlp.experts.gate_up_proj", "model.layers.{i}.mlp.experts.down_proj"},
                         {block + "experts.gate_up_proj", block + "experts.down_proj"}});
}

}  // namespace

const Family kMixtral{"mixtral", {"mixtral"}, describe, locate};

}  // namespace moe::models
