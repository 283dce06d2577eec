// Phi-3 and Phi-4 (also -mini and -reasoning): fused projections, partial rotation, LongRoPE. Reference:
// transformers, models/phi3.
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  BaseDefaults defaults;
  defaults.hidden = 3072;
  defaults.vocab = 32064;
  defaults.max_positions = 4096;
  defaults.eps = 1e-5;
  require_one_of(config, "hidden_act", {"silu", "swish"});
  require_flag(config, "attention_bias", false);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto parameters = config.find_section(key);
    if (!parameters) continue;
    for (const char* type : {"rope_type", "type"}) require_one_of(*parameters, type, {"default", "longrope", "su", "yarn"});
  }
  ModelSpec spec = read_base(config, defaults);
  spec.family = "phi3";
  AttentionSpec attention = read_attention(config, defaults, 0);
  attention.window = std::int32_t(config.integer_or("sliding_window", 0, 0, kMaxDimension));
  RopeDefaults rope;
  // The class always has this key at top level; the dictionary's own is never used.
  rope.only_top_level_original = 4096;
  rope.phi_longrope = true;
  rope.partial = true;
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, rope)};
  MlpSpec mlp;
  mlp.width = std::int32_t(config.dimension_or("intermediate_size", 8192));
  for (LayerSpec& layer : spec.layers) {
    layer.attention = attention;
    layer.dense = mlp;
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint&) {
  return [&spec, names = llama_names()](const WeightUse& use) {
    // qkv_proj holds rows q | k | v, gate_up_proj rows gate | up.
    const auto fused = [&](const char* tensor, std::int64_t first, std::int64_t total) {
      return rows_of(expand(std::string("model.layers.{i}.") + tensor, use.layer), use, first, total);
    };
    if (use.layer < 0) return whole_tensor(name_of(names, use), use);
    const AttentionSpec& a = spec.layers[use.layer].attention;
    const std::int64_t q = std::int64_t{a.heads} * a.key_dim, k = std::int64_t{a.kv_heads} * a.key_dim;
    switch (use.slot) {
      case Slot::q: return fused("self_attn.qkv_proj.weight", 0, q + 2 * k);
      case Slot::k: return fused("self_attn.qkv_proj.weight", q, q + 2 * k);
      case Slot::v: return fused("self_attn.qkv_proj.weight", q + k, q + 2 * k);
      case Slot::gate: return fused("mlp.gate_up_proj.weight", 0, 2 * use.rows);
      case Slot::up: return fused("mlp.gate_up_proj.weight", use.rows, 2 * use.rows);
      default: return whole_tensor(name_of(names, use), use);
    }
  };
}

}  // namespace

const Family kPhi3{"phi3", {"phi3"}, describe, locate};

}  // namespace moe::models
