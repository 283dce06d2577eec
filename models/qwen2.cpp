// Qwen2 and Qwen2.5, dense: Llama with biases on queries, keys and values. Reference: transformers, models/qwen2.
#include "models/families.h"
#include "models/naming.h"
#include "models/qwen.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  const BaseDefaults defaults = qwen_defaults();
  ModelSpec spec = read_qwen_base(config, defaults, "qwen2");
  AttentionSpec attention = read_attention(config, defaults, 32);
  attention.q_bias = attention.k_bias = attention.v_bias = true;
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};
  add_dense_qwen_layers(spec, config, attention);
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  return locate_by_name(spec, checkpoint, llama_names());
}

}  // namespace

const Family kQwen2{"qwen2", {"qwen2"}, describe, locate};

}  // namespace moe::models
