// Qwen2 and Qwen2.5, dense: Llama with biases on queries, keys and values. Reference: transformers, models/qwen2.
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
  spec.family = "qwen2";
  AttentionSpec attention = read_attention(config, defaults, 32);
  attention.q_bias = attention.k_bias = attention.v_bias = true;
  spec.ropes = {read_rope(config, spec.max_positions, attention.key_dim, {})};
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

const Family kQwen2{"qwen2", {"qwen2"}, describe, locate};

}  // namespace moe::models
