// Gemma 4, the text model, also out of the multimodal checkpoints: E2B and E4B (per-layer embeddings, shared caches),
// 26B-A4B (experts beside a dense MLP), 31B. Reference: transformers, models/gemma4.
#include <algorithm>
#include <cmath>
#include <map>

#include "engine/base/error.h"
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

struct HeadShape {
  std::int32_t dim = 0, kv_heads = 0;
};

// Sliding layers use head_dim and num_key_value_heads; full layers have sizes of their own, said by two global keys or,
// in newer files, layer by layer.
std::vector<HeadShape> head_shapes(const Config& config, const std::vector<bool>& sliding, bool keys_are_values) {
  const HeadShape base{std::int32_t(config.dimension_or("head_dim", 256, 1 << 16)),
                       std::int32_t(config.dimension_or("num_key_value_heads", 4, 1 << 16))};
  std::vector<HeadShape> shapes(sliding.size(), base);
  if (const auto per_layer = config.find_section("per_layer_config")) {
    for (const std::string& key : per_layer->keys()) {
      // Zero-padded layer numbers: "04".
      const bool digits = !key.empty() && key.size() <= 6 && std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
      const std::size_t layer = digits ? std::stoul(key) : shapes.size();
      if (layer >= shapes.size()) throw config.error("per_layer_config", "layer numbers of the model", '"' + key + '"');
      const Config own = per_layer->section(key);
      shapes[layer].dim = std::int32_t(own.dimension_or("head_dim", base.dim, 1 << 16));
      shapes[layer].kv_heads = std::int32_t(own.dimension_or("num_key_value_heads", base.kv_heads, 1 << 16));
    }
    return shapes;
  }
  const HeadShape full{std::int32_t(config.dimension_or("global_head_dim", 512, 1 << 16)),
                       keys_are_values ? std::int32_t(config.dimension_or("num_global_key_value_heads", base.kv_heads, 1 << 16))
                                       : base.kv_heads};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (!sliding[i]) shapes[i] = full;
  }
  return shapes;
}

std::vector<bool> layer_kinds(const Config& config, std::int32_t layers) {
  std::vector<bool> sliding = sliding_layers(config, layers);
  if (sliding.empty()) {
    for (std::int32_t i = 0; i < layers; ++i) sliding.push_back((i + 1) % 6 != 0);
  }
  sliding.back() = false;
  return sliding;
}

RopeSpec read_table(const Config& config, const char* kind, std::int32_t max_positions, std::int32_t head_dim, double theta,
                    bool proportional) {
  RopeDefaults defaults;
  defaults.theta = theta;
  const Config empty = Config::parse("{}", config.file());
  const auto tables = config.find_section("rope_parameters");
  if (tables && tables->has(kind)) {
    return read_rope_from(tables->section(kind), empty, max_positions, head_dim, defaults);
  }
  RopeSpec rope = read_rope_from(empty, empty, max_positions, head_dim, defaults);
  if (proportional) {
    rope.type = RopeType::proportional;
    rope.partial = 0.25;
  }
  return rope;
}

ExpertsSpec read_experts(const Config& config, const ModelSpec& spec) {
  ExpertsSpec e;
  e.width = std::int32_t(config.dimension(config.first_of({"moe_intermediate_size", "expert_intermediate_size"})));
  e.activation.kind = ActivationSpec::Kind::gelu_tanh;
  RouterSpec& r = e.router;
  r.experts = std::int32_t(config.dimension("num_experts", 1 << 16));
  r.top_k = std::int32_t(config.dimension(config.first_of({"top_k_experts", "num_experts_per_tok"}), 1 << 16));
  r.renormalise = true;
  r.own_input = true;
  r.input_norm = spec.final_norm;
  r.input_norm.weighted = false;
  r.per_expert_scale = true;
  return e;
}

ModelSpec describe(const Config& file) {
  const std::optional<Config> nested = file.find_section("text_config");
  const Config& config = nested ? *nested : file;
  BaseDefaults defaults;
  defaults.hidden = 2304;
  defaults.layers = 30;
  defaults.heads = 8;
  defaults.vocab = 262144;
  defaults.max_positions = 131072;
  defaults.tied = true;
  require_one_of(config, "hidden_activation", {"gelu_pytorch_tanh"});
  if (config.kind("use_bidirectional_attention") == ConfigKind::boolean) {
    require_flag(config, "use_bidirectional_attention", false);
  } else {
    require_one_of(config, "use_bidirectional_attention", {"vision"});  // image tokens only
  }
  ModelSpec spec = read_base(config, defaults);
  if (!config.has("tie_word_embeddings")) spec.tied_head = file.boolean_or("tie_word_embeddings", true);
  spec.family = "gemma4";
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.hidden));
  spec.logit_softcap = static_cast<float>(config.number_or("final_logit_softcapping", 0));

  const std::int32_t layers = spec.layer_count();
  const std::vector<bool> sliding = layer_kinds(config, layers);
  const bool keys_are_values = config.boolean_or("attention_k_eq_v", false);
  const std::vector<HeadShape> shapes = head_shapes(config, sliding, keys_are_values);
  const auto first_full = std::size_t(std::ranges::find(sliding, false) - sliding.begin());
  const auto first_sliding = std::size_t(std::ranges::find(sliding, true) - sliding.begin());
  const auto dim_of = [&](std::size_t i) { return shapes[i < shapes.size() ? i : 0].dim; };
  // Table 0: full layers. Table 1: sliding layers.
  spec.ropes = {read_table(config, "full_attention", spec.max_positions, dim_of(first_full), 1e6, true),
                read_table(config, "sliding_attention", spec.max_positions, dim_of(first_sliding), 1e4, false)};

  const std::int64_t shared = config.integer_or("num_kv_shared_layers", 0, 0, layers);
  const std::int32_t own = layers - std::int32_t(shared);
  const auto window = std::int32_t(config.dimension_or("sliding_window", 512));
  const bool biased = config.boolean_or("attention_bias", false);
  const auto width = std::int32_t(config.dimension_or("intermediate_size", 9216, 1 << 24));
  const bool double_wide = config.boolean_or("use_double_wide_mlp", false);
  std::int64_t entry_width = config.integer_or("hidden_size_per_layer_input", 256, 0, 1 << 20);
  if (config.is_null("hidden_size_per_layer_input")) entry_width = 0;
  if (entry_width > 0) {
    PerLayerEmbeddingSpec p;
    p.width = std::int32_t(entry_width);
    p.vocab = std::int32_t(config.dimension_or("vocab_size_per_layer_input", 262144, 1 << 24));
    p.table_scale = std::sqrt(static_cast<float>(p.width));
    p.projection_scale = 1.0F / std::sqrt(static_cast<float>(spec.hidden));
    p.norm = spec.final_norm;
    spec.per_layer_embedding = p;
  }

  for (std::int32_t i = 0; i < layers; ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.post_attention_norm = layer.post_ff_norm = spec.final_norm;
    AttentionSpec& a = layer.attention;
    a.heads = std::int32_t(config.dimension_or("num_attention_heads", defaults.heads, 1 << 16));
    a.kv_heads = shapes[i].kv_heads;
    a.key_dim = a.value_dim = shapes[i].dim;
    a.scale = 1;
    a.rope = sliding[i] ? 1 : 0;
    a.window = sliding[i] ? window : 0;
    a.q_bias = a.k_bias = a.v_bias = a.o_bias = biased;
    a.qk_norm = AttentionSpec::NormScope::head;
    a.q_norm = a.k_norm = spec.final_norm;
    a.v_norm = spec.final_norm;
    a.v_norm->weighted = false;
    a.value_is_key = keys_are_values && !sliding[i];
    if (i >= own) {
      for (std::int32_t donor = own - 1; donor >= 0 && a.kv_from < 0; --donor) {
        if (sliding[donor] == sliding[i]) a.kv_from = donor;
      }
      if (a.kv_from < 0) throw config.error("num_kv_shared_layers", "an earlier layer of the same kind for every sharing layer");
    }
    MlpSpec mlp;
    mlp.width = i >= own && double_wide ? 2 * width : width;
    mlp.activation.kind = ActivationSpec::Kind::gelu_tanh;
    layer.dense = mlp;
    if (config.boolean_or("enable_moe_block", false)) {
      layer.experts = read_experts(config, spec);
      layer.dense_out_norm = layer.experts_in_norm = layer.experts_out_norm = spec.final_norm;
    }
    if (entry_width > 0) {
      layer.layer_input = LayerInputSpec{std::int32_t(entry_width), mlp.activation, spec.final_norm};
    }
    layer.scalar = true;
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  // Names are matched whole, so vision and audio tensors are never looked at.
  const std::string prefix = found_prefix(checkpoint, {"model.language_model."});
  NamePatterns names = llama_names(prefix);
  const std::string layer = prefix + "layers.{i}.";
  names[Slot::post_attention_norm] = layer + "post_attention_layernorm.weight";
  names[Slot::ff_norm] = layer + "pre_feedforward_layernorm.weight";
  names[Slot::post_ff_norm] = layer + "post_feedforward_layernorm.weight";
  names[Slot::dense_out_norm] = layer + "post_feedforward_layernorm_1.weight";
  names[Slot::experts_in_norm] = layer + "pre_feedforward_layernorm_2.weight";
  names[Slot::experts_out_norm] = layer + "post_feedforward_layernorm_2.weight";
  names[Slot::router] = layer + "router.proj.weight";
  names[Slot::router_scale] = layer + "router.scale";
  names[Slot::router_expert_scale] = layer + "router.per_expert_scale";
  names[Slot::per_layer_table] = prefix + "embed_tokens_per_layer.weight";
  names[Slot::per_layer_projection] = prefix + "per_layer_model_projection.weight";
  names[Slot::per_layer_projection_norm] = prefix + "per_layer_projection_norm.weight";
  names[Slot::layer_input_gate] = layer + "per_layer_input_gate.weight";
  names[Slot::layer_input_out] = layer + "per_layer_projection.weight";
  names[Slot::layer_input_norm] = layer + "post_per_layer_input_norm.weight";
  names[Slot::layer_scalar] = layer + "layer_scalar";
  names[Slot::expert_gate] = layer + "experts.{e}.gate_proj.weight";
  names[Slot::expert_up] = layer + "experts.{e}.up_proj.weight";
  names[Slot::expert_down] = layer + "experts.{e}.down_proj.weight";
  return locate_by_name(spec, checkpoint, names, {{layer + "experts.gate_up_proj", layer + "experts.down_proj"}});
}

}  // namespace

const Family kGemma4{"gemma4", {"gemma4_text", "gemma4"}, describe, locate};

}  // namespace moe::models
