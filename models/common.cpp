#include "models/common.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "engine/base/error.h"

namespace moe::models {
namespace {

// Real models have at most a few hundred layers; the bound keeps a hostile file from asking for billions.
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::int64_t kMaxHeads = 1 << 16;
constexpr std::int64_t kMaxVocab = 1 << 24;
constexpr std::int64_t kMaxHidden = 1 << 20;

float mscale(double factor, double m) { return factor <= 1 ? 1.0F : static_cast<float>(0.1 * m * std::log(factor) + 1.0); }

double number_or_null(const Config& c, std::string_view key, double otherwise) { return c.number_or(key, otherwise); }

std::vector<float> factors(const Config& parameters, std::string_view key) {
  std::vector<float> out;
  for (const double v : parameters.numbers(key)) {
    if (!(v > 0)) throw parameters.error(key, "positive numbers");
    out.push_back(static_cast<float>(v));
  }
  return out;
}

// Positions seen in pre-training: the top-level key first, then the dictionary's, then all the model has.
std::int32_t original_length(const Config& parameters, const Config& config, const RopeDefaults& defaults,
                             std::int32_t max_length) {
  constexpr std::string_view kKey = "original_max_position_embeddings";
  if (defaults.only_top_level_original > 0) {
    return std::int32_t(config.dimension_or(kKey, defaults.only_top_level_original));
  }
  if (config.has(kKey)) return std::int32_t(config.dimension(kKey));
  return std::int32_t(parameters.dimension_or(kKey, max_length));
}

void read_yarn(RopeSpec& rope, const Config& p) {
  rope.beta_fast = number_or_null(p, "beta_fast", 32);
  rope.beta_slow = number_or_null(p, "beta_slow", 1);
  if (rope.beta_fast == 0) rope.beta_fast = 32;
  if (rope.beta_slow == 0) rope.beta_slow = 1;
  rope.truncate = p.boolean_or("truncate", true);
  if (!p.has("factor")) rope.factor = static_cast<double>(rope.max_length) / rope.original_length;
  const double m = number_or_null(p, "mscale", 0), all = number_or_null(p, "mscale_all_dim", 0);
  rope.attention_factor = p.has("attention_factor") ? p.number("attention_factor")
                          : m != 0 && all != 0 ? mscale(rope.factor, m) / mscale(rope.factor, all)
                                               : mscale(rope.factor, 1);
}

void read_longrope(RopeSpec& rope, const Config& p) {
  rope.short_factors = factors(p, "short_factor");
  rope.long_factors = factors(p, "long_factor");
  if (!p.has("factor")) rope.factor = static_cast<double>(rope.max_length) / rope.original_length;
  rope.attention_factor = p.has("attention_factor") ? p.number("attention_factor")
                          : rope.factor <= 1       ? 1
                                                   : std::sqrt(1 + std::log(rope.factor) / std::log(rope.original_length));
}

}  // namespace

void require_one_of(const Config& config, std::string_view key, std::initializer_list<std::string_view> values) {
  if (!config.has(key)) return;
  const std::string value = config.string(key);
  if (std::ranges::find(values, value) != values.end()) return;
  throw Error(ErrorKind::unsupported, Fault{config.file(), config.path_of(key), fmt::format("{}", fmt::join(values, " or ")), '"' + value + '"'});
}

void require_flag(const Config& config, std::string_view key, bool value) {
  if (config.boolean_or(key, value) == value) return;
  throw Error(ErrorKind::unsupported, Fault{config.file(), config.path_of(key), value ? "true" : "false", value ? "false" : "true"});
}

ModelSpec read_base(const Config& config, const BaseDefaults& d) {
  ModelSpec spec;
  spec.hidden = std::int32_t(config.dimension_or("hidden_size", d.hidden, kMaxHidden));
  spec.vocab = std::int32_t(config.dimension_or("vocab_size", d.vocab, kMaxVocab));
  spec.max_positions = std::int32_t(config.dimension_or("max_position_embeddings", d.max_positions));
  spec.layers.resize(config.dimension_or("num_hidden_layers", d.layers, kMaxLayers));
  spec.tied_head = config.boolean_or("tie_word_embeddings", d.tied);
  spec.final_norm.eps = static_cast<float>(config.positive_or("rms_norm_eps", d.eps));
  for (LayerSpec& layer : spec.layers) layer.input_norm = layer.ff_norm = spec.final_norm;
  if (config.has("eos_token_id")) {
    for (const std::int64_t id : config.integer_list("eos_token_id", 0, kMaxVocab)) spec.stop_ids.push_back(std::int32_t(id));
  }
  if (config.kind("bos_token_id") == ConfigKind::integer) {
    spec.bos_id = std::int32_t(config.integer("bos_token_id", 0, kMaxVocab));
  }
  return spec;
}

RopeSpec read_rope(const Config& config, std::int32_t max_positions, std::int32_t head_dim, const RopeDefaults& defaults) {
  for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
    if (!config.has(key)) continue;
    const Config parameters = config.section(key);
    if (parameters.keys().empty()) continue;  // {} is as good as none
    for (const std::string_view kind : {"full_attention", "sliding_attention"}) {
      if (!parameters.has(kind)) continue;
      throw Error(ErrorKind::unsupported, Fault{config.file(), parameters.path_of(kind), "one rotation for all layers of this family", "one for a kind of layers"});
    }
    return read_rope_from(parameters, config, max_positions, head_dim, defaults);
  }
  return read_rope_from(Config::parse("{}", config.file()), config, max_positions, head_dim, defaults);
}

RopeSpec read_rope_from(const Config& p, const Config& config, std::int32_t max_positions, std::int32_t head_dim,
                        const RopeDefaults& defaults) {
  const auto own_or_top = [&](std::string_view key, double otherwise) {
    return p.has(key) ? p.positive(key) : config.positive_or(key, otherwise);
  };
  RopeSpec rope;
  rope.theta = own_or_top("rope_theta", defaults.theta);
  rope.head_dim = head_dim;
  rope.max_length = max_positions;
  std::string type = p.string_or("rope_type", p.string_or("type", "default"));
  if (defaults.phi_longrope && (type == "su" || type == "yarn")) type = "longrope";
  const double partial = own_or_top("partial_rotary_factor", 1);
  if (!(partial > 0 && partial <= 1)) {
    throw Error(ErrorKind::config, Fault{config.file(), p.path_of("partial_rotary_factor"), "above 0, at most 1", fmt::format("{}", partial)});
  }
  if (type == "proportional" || defaults.partial) {
    rope.partial = partial;
  } else if (type != "default" && partial != 1) {
    throw Error(ErrorKind::unsupported, Fault{config.file(), p.path_of("partial_rotary_factor"), "1 for this family", fmt::format("{}", partial)});
  }
  rope.dims = std::int32_t(head_dim * rope.partial);
  if (type == "default") return rope;

  rope.factor = p.has("factor") ? p.positive("factor") : 1;
  rope.original_length = original_length(p, config, defaults, rope.max_length);
  if (type == "linear") {
    rope.type = RopeType::linear;
    rope.factor = p.positive("factor");
  } else if (type == "dynamic") {
    rope.type = RopeType::dynamic_ntk;
    rope.factor = p.positive("factor");
  } else if (type == "llama3") {
    rope.type = RopeType::llama3;
    rope.factor = p.positive("factor");
    rope.low_freq_factor = p.positive("low_freq_factor");
    rope.high_freq_factor = p.positive("high_freq_factor");
  } else if (type == "yarn") {
    rope.type = RopeType::yarn;
    read_yarn(rope, p);
  } else if (type == "longrope") {
    rope.type = RopeType::longrope;
    rope.recomputes = defaults.phi_longrope;
    read_longrope(rope, p);
  } else if (type == "proportional") {
    rope.type = RopeType::proportional;
    rope.dims = head_dim;
  } else {
    throw Error(ErrorKind::unsupported, Fault{config.file(), p.path_of(p.has("rope_type") ? "rope_type" : "type"),
                                              "default, linear, dynamic, llama3, yarn, longrope or proportional", '"' + type + '"'});
  }
  return rope;
}

AttentionSpec read_attention(const Config& config, const BaseDefaults& defaults, std::int64_t kv_default) {
  AttentionSpec a;
  a.heads = std::int32_t(config.dimension_or("num_attention_heads", defaults.heads, kMaxHeads));
  a.kv_heads = std::int32_t(config.dimension_or("num_key_value_heads", kv_default > 0 ? kv_default : a.heads, kMaxHeads));
  const std::int64_t hidden = config.dimension_or("hidden_size", defaults.hidden, kMaxHidden);
  if (!config.has("head_dim") && hidden % a.heads != 0) {
    throw Error(ErrorKind::config, Fault{config.file(), config.path_of("num_attention_heads"),
                                         fmt::format("a divisor of hidden_size {} (no head_dim is given)", hidden), std::to_string(a.heads)});
  }
  a.key_dim = a.value_dim = std::int32_t(config.dimension_or("head_dim", std::max<std::int64_t>(1, hidden / a.heads), 1 << 16));
  a.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(a.key_dim)));
  a.rope = 0;
  return a;
}

std::vector<bool> sliding_layers(const Config& config, std::int32_t layers) {
  std::vector<bool> out;
  if (!config.has("layer_types")) return out;
  for (const std::string& type : config.strings("layer_types")) {
    if (type != "full_attention" && type != "sliding_attention") {
      throw Error(ErrorKind::unsupported, Fault{config.file(), config.path_of("layer_types"), "full_attention or sliding_attention", '"' + type + '"'});
    }
    out.push_back(type == "sliding_attention");
  }
  if (std::int32_t(out.size()) != layers) {
    throw config.error("layer_types", fmt::format("{} entries", layers), fmt::format("{}", out.size()));
  }
  return out;
}

std::int32_t read_expert_count(const Config& config, std::int64_t otherwise) {
  const std::string_view key = config.first_of({"num_experts", "num_local_experts", "n_routed_experts"});
  return std::int32_t(config.dimension_or(key, otherwise, 1 << 16));
}

}  // namespace moe::models
