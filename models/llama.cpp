// Llama 2 and 3, and what is built like them (SmolLM2). Reference: transformers, models/llama.
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  const BaseDefaults defaults;
  require_one_of(config, "hidden_act", {"silu", "swish"});
  ModelSpec spec = read_base(config, defaults);
  spec.family = "llama";
  AttentionSpec attention = read_attention(config, defaults, 0);
  attention.q_bias = attention.k_bias = attention.v_bias = attention.o_bias = config.boolean_or("attention_bias", false);
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};
  MlpSpec mlp;
  mlp.width = std::int32_t(config.dimension_or("intermediate_size", 11008));
  mlp.bias = config.boolean_or("mlp_bias", false);
  for (LayerSpec& layer : spec.layers) {
    layer.attention = attention;
    layer.dense = mlp;
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  return locate_by_name(spec, checkpoint, llama_names());
}

}  // namespace

const Family kLlama{"llama", {"llama"}, describe, locate};

}  // namespace moe::models
