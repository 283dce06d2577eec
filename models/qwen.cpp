#include "models/qwen.h"

#include <algorithm>

namespace moe::models {

BaseDefaults qwen_defaults() {
  BaseDefaults defaults;
  defaults.vocab = 151936;
  defaults.max_positions = 32768;
  return defaults;
}

ModelSpec read_qwen_base(const Config& config, const BaseDefaults& defaults, std::string_view family) {
  require_one_of(config, "hidden_act", {"silu", "swish"});
  ModelSpec spec = read_base(config, defaults);
  spec.family = family;
  return spec;
}

void read_qwen3_attention(AttentionSpec& attention, const Config& config, const NormSpec& norm) {
  attention.q_bias = attention.k_bias = attention.v_bias = attention.o_bias =
      config.boolean_or("attention_bias", false);
  attention.qk_norm = AttentionSpec::NormScope::head;
  attention.q_norm = attention.k_norm = norm;
}

std::int32_t read_qwen_window(const Config& config) {
  if (!config.boolean_or("use_sliding_window", false)) return 0;
  return std::int32_t(config.integer_or("sliding_window", 4096, 0, kMaxDimension));
}

void add_dense_qwen_layers(ModelSpec& spec, const Config& config, const AttentionSpec& attention) {
  const std::int32_t window = read_qwen_window(config);
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
}

QwenExperts read_qwen_experts(const Config& config, std::int32_t layers, const QwenExpertDefaults& defaults) {
  QwenExperts out;
  out.dense.width = std::int32_t(config.dimension_or("intermediate_size", defaults.dense_width));
  out.routed.width = std::int32_t(config.dimension_or("moe_intermediate_size", defaults.expert_width));
  out.routed.router.experts = read_expert_count(config, defaults.experts);
  out.routed.router.top_k = std::int32_t(config.dimension_or("num_experts_per_tok", defaults.top_k));
  out.routed.router.renormalise = config.boolean_or("norm_topk_prob", false);
  const std::int64_t step = config.dimension_or("decoder_sparse_step", 1);
  std::vector<std::int64_t> dense;
  if (config.has("mlp_only_layers")) dense = config.integers("mlp_only_layers");
  for (std::int32_t i = 0; i < layers; ++i) {
    out.sparse.push_back(std::ranges::find(dense, i) == dense.end() && (i + 1) % step == 0);
  }
  return out;
}

}  // namespace moe::models
