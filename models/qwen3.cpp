// Qwen3, dense. Reference: transformers, models/qwen3.
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& config) {
  BaseDefaults defaults;
  defaults.vocab = 151936;
  defaults.max_positions = 32768;
  require_one_of(config, "hidden_act", {"silu", "swish"});
  ModelSpec spec = read_base(config, defaults);
  spec.family = "qwen3";
  AttentionSpec attention = read_attention(config, defaults, 32);
  if (!config.has("head_dim")) {
    // The class's own default, whatever H / n_q would be.
    attention.key_dim = attention.value_dim = 128;
    attention.scale = 0.08838834764831845F;  // 128^-1/2
  }
  attention.q_bias = attention.k_bias = attention.v_bias = attention.o_bias = config.boolean_or("attention_bias", false);
  attention.qk_norm = AttentionSpec::NormScope::head;
  attention.q_norm = attention.k_norm = spec.final_norm;
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};

  // The window is void unless the flag is set; then layer_types says where it applies, or else the late layers.
  const bool windowed = config.boolean_or("use_sliding_window", false);
  const auto window = std::int32_t(windowed ? config.integer_or("sliding_window", 4096, 0, kMaxDimension) : 0);
  const std::int64_t full_layers = config.integer_or("max_window_layers", 28, 0);
  const std::vector<bool> sliding = sliding_layers(config, spec.layer_count());
  MlpSpec mlp;
  mlp.width = std::int32_t(config.dimension_or("intermediate_size", 22016));
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.attention = attention;
    if (sliding.empty() ? i >= full_layers : sliding[i]) layer.attention.window = window;
    layer.dense = mlp;
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  return locate_by_name(spec, checkpoint, llama_names());
}

}  // namespace

const Family kQwen3{"qwen3", {"qwen3"}, describe, locate};

}  // namespace moe::models
