// Gemma 3, the text model (also out of the multimodal checkpoints). Reference: transformers, models/gemma3.
#include <cmath>

#include "engine/base/error.h"
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

ModelSpec describe(const Config& file) {
  const std::optional<Config> nested = file.find_section("text_config");
  const Config& config = nested ? *nested : file;
  BaseDefaults defaults;
  defaults.hidden = 2304;
  defaults.layers = 26;
  defaults.heads = 8;
  defaults.vocab = 262208;
  defaults.max_positions = 131072;
  defaults.tied = true;
  require_one_of(config, "hidden_activation", {"gelu_pytorch_tanh"});
  require_flag(config, "use_bidirectional_attention", false);
  ModelSpec spec = read_base(config, defaults);
  if (nested) spec.tied_head = config.boolean_or("tie_word_embeddings", file.boolean_or("tie_word_embeddings", true));
  spec.family = "gemma3";
  spec.final_norm.add_one = true;
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.hidden));
  spec.logit_softcap = static_cast<float>(config.number_or("final_logit_softcapping", 0));

  AttentionSpec attention = read_attention(config, defaults, 4);
  if (!config.has("head_dim")) attention.key_dim = attention.value_dim = 256;
  attention.scale = static_cast<float>(1.0 / std::sqrt(config.positive_or("query_pre_attn_scalar", 256)));
  attention.q_bias = attention.k_bias = attention.v_bias = attention.o_bias = config.boolean_or("attention_bias", false);
  attention.qk_norm = AttentionSpec::NormScope::head;
  attention.q_norm = attention.k_norm = spec.final_norm;

  // Table 0: full layers. Table 1: sliding layers, which never scale.
  RopeDefaults full, local;
  full.theta = 1e6;
  local.theta = 10000;
  if (const auto tables = config.find_section("rope_parameters"); tables && tables->has("full_attention")) {
    spec.ropes = {read_rope_from(tables->section("full_attention"), config, spec.max_positions, attention.key_dim, full),
                  read_rope_from(tables->section("sliding_attention"), Config::parse("{}", config.file()), spec.max_positions, attention.key_dim, local)};
  } else {
    // The old key "type" is not honoured here, only "rope_type".
    const Config empty = Config::parse("{}", config.file());
    const auto scaling = config.find_section("rope_scaling");
    spec.ropes = {read_rope_from(scaling && scaling->has("rope_type") ? *scaling : empty, config, spec.max_positions, attention.key_dim, full)};
    RopeSpec sliding;
    sliding.theta = config.positive_or("rope_local_base_freq", 10000);
    sliding.dims = sliding.head_dim = attention.key_dim;
    spec.ropes.push_back(sliding);
  }

  const auto window = std::int32_t(config.dimension_or("sliding_window", 4096));
  const std::int64_t pattern = config.dimension_or(config.first_of({"sliding_window_pattern", "_sliding_window_pattern"}), 6);
  const std::vector<bool> types = sliding_layers(config, spec.layer_count());
  MlpSpec mlp;
  mlp.width = std::int32_t(config.dimension_or("intermediate_size", 9216));
  mlp.activation.kind = ActivationSpec::Kind::gelu_tanh;
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.input_norm = layer.ff_norm = spec.final_norm;
    layer.post_attention_norm = layer.post_ff_norm = spec.final_norm;
    layer.attention = attention;
    layer.dense = mlp;
    if (types.empty() ? (i + 1) % pattern != 0 : types[i]) {
      layer.attention.window = window;
      layer.attention.rope = 1;
    }
  }
  return spec;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  // Text files, multimodal files as published, and files written from the newest run-time names.
  const std::string prefix = found_prefix(checkpoint, {"language_model.model.", "model.language_model."});
  NamePatterns names = llama_names(prefix);
  const std::string layer = prefix + "layers.{i}.";
  names[Slot::post_attention_norm] = layer + "post_attention_layernorm.weight";
  names[Slot::ff_norm] = layer + "pre_feedforward_layernorm.weight";
  names[Slot::post_ff_norm] = layer + "post_feedforward_layernorm.weight";
  if (checkpoint.find("language_model.lm_head.weight") != nullptr) names[Slot::head] = "language_model.lm_head.weight";
  return locate_by_name(spec, checkpoint, names);
}

}  // namespace

const Family kGemma3{"gemma3", {"gemma3_text", "gemma3"}, describe, locate};

}  // namespace moe::models
