// Qwen3, dense. Reference: transformers, models/qwen3.
#include "models/families.h"
#include "models/naming.h"
#include "models/qwen.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  const BaseDefaults defaults = qwen_defaults();
  ModelSpec spec = read_qwen_base(config, defaults, "qwen3");
  AttentionSpec attention = read_attention(config, defaults, 32);
  if (!config.has("head_dim")) {
    // The class's own default, whatever H / n_q would be.
    attention.key_dim = attention.value_dim = 128;
    attention.scale = 0.08838834764831845F;  // 128^-1/2
  }
  read_qwen3_attention(attention, config, spec.final_norm);
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};
  add_dense_qwen_layers(spec, config, attention);
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  return locate_by_name(spec, checkpoint, llama_names());
}

}  // namespace

const Family kQwen3{"qwen3", {"qwen3"}, describe, locate};

}  // namespace moe::models
