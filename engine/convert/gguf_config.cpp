// config.json from the metadata of a GGUF file.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/convert/gguf_model.h"
#include "engine/convert/llama3_scaling.h"

namespace moe {
namespace {

using nlohmann::json;

// Floats in the metadata are single precision, and JSON is written in double: 1e-05f would become
// 9.999999747378752e-06. The shortest decimal that names the same float is what the author wrote.
double shortest(double value) {
  const auto single = static_cast<float>(value);
  if (static_cast<double>(single) != value) return value;
  return std::strtod(fmt::format("{}", single).c_str(), nullptr);
}

// Reads the keys that begin with the architecture's name.
class Keys {
 public:
  explicit Keys(const GgufFile& gguf)
      : gguf_(gguf), architecture_(gguf.require_string("general.architecture")) {}

  const GgufFile& file() const { return gguf_; }
  const std::string& architecture() const { return architecture_; }
  std::string path(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  bool has(std::string_view key) const { return gguf_.has(path(key)); }

  std::int64_t size(std::string_view key) const { return check_size(key, gguf_.require_integer(path(key))); }
  std::int64_t size_or(std::string_view key, std::int64_t otherwise) const {
    const auto value = gguf_.integer(path(key));
    return value ? check_size(key, *value) : otherwise;
  }
  double real_or(std::string_view key, double otherwise) const {
    const auto value = gguf_.real(path(key));
    if (!value) return otherwise;
    if (!std::isfinite(*value)) fail(ErrorKind::config, key, "a finite number", fmt::format("{}", *value));
    return shortest(*value);
  }
  double positive_or(std::string_view key, double otherwise) const {
    const double value = real_or(key, otherwise);
    if (!(value > 0)) fail(ErrorKind::config, key, "a number above 0", fmt::format("{}", value));
    return value;
  }
  // For what the target configuration cannot say.
  void refuse_unless(std::string_view key, bool fine, std::string_view expected, std::string found) const {
    if (!fine) fail(ErrorKind::unsupported, key, expected, std::move(found));
  }
  [[noreturn]] void fail(ErrorKind kind, std::string_view key, std::string_view expected,
                         std::string found) const {
    throw Error(kind, Fault{gguf_.file(), fmt::format("key '{}'", path(key)), std::string(expected),
                            std::move(found)});
  }

 private:
  std::int64_t check_size(std::string_view key, std::uint64_t value) const {
    if (value == 0 || value > (std::uint64_t{1} << 30)) {
      fail(ErrorKind::config, key, "a size from 1 to 2^30", std::to_string(value));
    }
    return static_cast<std::int64_t>(value);
  }

  const GgufFile& gguf_;
  std::string architecture_;
};

std::int64_t vocabulary_size(const Keys& keys) {
  const GgufTensor* embedding = keys.file().tensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    throw Error(ErrorKind::format, Fault{keys.file().file(), "tensor 'token_embd.weight'", "a matrix",
                                         embedding == nullptr ? "no such tensor" : "another rank"});
  }
  const auto rows = static_cast<std::int64_t>(embedding->shape[0]);
  const std::int64_t said = keys.size_or("vocab_size", rows);
  if (said != rows) {
    keys.fail(ErrorKind::config, "vocab_size", fmt::format("{}, the rows of token_embd.weight", rows),
              std::to_string(said));
  }
  return rows;
}

std::int64_t head_dim(const Keys& keys, std::int64_t hidden, std::int64_t heads) {
  const bool llama = keys.architecture() == "llama";
  const std::int64_t rotary = keys.size_or("rope.dimension_count", 0);
  // Where no key says it: llama's rotation covers the whole head.
  const std::int64_t fallback = llama && rotary != 0 ? rotary : std::max<std::int64_t>(1, hidden / heads);
  const std::int64_t dim = keys.size_or("attention.key_length", fallback);
  const std::int64_t value_dim = keys.size_or("attention.value_length", dim);
  keys.refuse_unless("attention.value_length", value_dim == dim, fmt::format("{}, the key length", dim),
                     std::to_string(value_dim));
  keys.refuse_unless("rope.dimension_count", rotary == 0 || rotary == dim,
                     fmt::format("{}, the whole head", dim), std::to_string(rotary));
  if (dim % 2 != 0)
    keys.fail(ErrorKind::config, "attention.key_length", "an even number", std::to_string(dim));
  return dim;
}

// "rope_scaling" of config.json; null for none.
json rope_scaling(const Keys& keys, double theta, std::int64_t dim) {
  if (const GgufTensor* factors = keys.file().tensor("rope_freqs.weight")) {
    keys.refuse_unless("rope.scaling.type",
                       !keys.has("rope.scaling.type") ||
                           keys.file().require_string(keys.path("rope.scaling.type")) == "none",
                       "no other scaling beside rope_freqs.weight", "one");
    return llama3_scaling_from_factors(keys.file(), *factors, theta, dim);
  }
  std::string type = keys.file().string(keys.path("rope.scaling.type")).value_or("none");
  double factor = keys.positive_or("rope.scaling.factor", 1.0);
  if (!keys.has("rope.scaling.type") && keys.has("rope.scale_linear")) {
    type = "linear";  // what old files say
    factor = keys.positive_or("rope.scale_linear", 1.0);
  }
  if (type == "none" || (type == "linear" && factor == 1.0)) return nullptr;
  if (type == "linear") return {{"rope_type", "linear"}, {"factor", factor}};
  keys.refuse_unless("rope.scaling.type", type == "yarn", "'none', 'linear' or 'yarn'",
                     fmt::format("'{}'", type));
  json out = {{"rope_type", "yarn"},
              {"factor", factor},
              {"original_max_position_embeddings", keys.size("rope.scaling.original_context_length")}};
  if (keys.has("rope.scaling.yarn_beta_fast"))
    out["beta_fast"] = keys.positive_or("rope.scaling.yarn_beta_fast", 32);
  if (keys.has("rope.scaling.yarn_beta_slow"))
    out["beta_slow"] = keys.positive_or("rope.scaling.yarn_beta_slow", 1);
  const double attention = keys.real_or("rope.scaling.attn_factor", 1.0);
  keys.refuse_unless("rope.scaling.attn_factor", attention == 1.0, "1", fmt::format("{}", attention));
  return out;
}

void add_experts(const Keys& keys, json& config) {
  const std::int64_t experts = keys.size("expert_count");
  const std::int64_t used = keys.size("expert_used_count");
  if (used > experts) {
    keys.fail(ErrorKind::config, "expert_used_count", fmt::format("at most {}", experts),
              std::to_string(used));
  }
  const double scale = keys.real_or("expert_weights_scale", 1.0);
  keys.refuse_unless("expert_weights_scale", scale == 1.0 || scale == 0.0, "1", fmt::format("{}", scale));
  const auto gating = keys.file().integer(keys.path("expert_gating_func")).value_or(1);
  keys.refuse_unless("expert_gating_func", gating == 0 || gating == 1, "1, softmax", std::to_string(gating));
  const auto shared = keys.file().integer(keys.path("expert_shared_count")).value_or(0);
  keys.refuse_unless("expert_shared_count", shared == 0, "0", std::to_string(shared));
  config["num_experts_per_tok"] = used;
  config["output_router_logits"] = false;
  if (keys.architecture() == "llama") {
    config["num_local_experts"] = experts;
    return;
  }
  config["num_experts"] = experts;
  config["moe_intermediate_size"] = keys.size("expert_feed_forward_length");
  config["norm_topk_prob"] = keys.file().boolean(keys.path("expert_weights_norm")).value_or(true);
  config["decoder_sparse_step"] = 1;
  config["mlp_only_layers"] = json::array();
}

void add_gemma3(const Keys& keys, json& config, std::int64_t layers, std::int64_t hidden,
                std::int64_t heads) {
  const std::int64_t pattern = keys.size_or("attention.sliding_window_pattern", 6);
  config["sliding_window"] = keys.size("attention.sliding_window");
  config["sliding_window_pattern"] = pattern;
  config["_sliding_window_pattern"] = pattern;
  json kinds = json::array();
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    kinds.push_back((layer + 1) % pattern == 0 ? "full_attention" : "sliding_attention");
  }
  config["layer_types"] = std::move(kinds);
  config["rope_local_base_freq"] = keys.positive_or("rope.freq_base_swa", 10000.0);
  // The scale is not in the file. The 62-layer model divides by the width of a head's share of the hidden
  // size, all others by the head's own size.
  config["query_pre_attn_scalar"] = layers == 62 ? hidden / heads : config["head_dim"].get<std::int64_t>();
  config["hidden_activation"] = "gelu_pytorch_tanh";
  config["attn_logit_softcapping"] = nullptr;
  config["final_logit_softcapping"] = nullptr;
  const double cap = keys.real_or("final_logit_softcapping", 0.0);
  if (cap != 0.0) config["final_logit_softcapping"] = cap;
}

struct Family {
  const char* architecture;  // of the GGUF file
  const char* model_type;
  const char* class_name;
  double rope_theta;  // where the file does not say
};

Family family_of(const Keys& keys) {
  static constexpr Family kFamilies[] = {{"llama", "llama", "LlamaForCausalLM", 10000.0},
                                         {"qwen2", "qwen2", "Qwen2ForCausalLM", 10000.0},
                                         {"qwen3", "qwen3", "Qwen3ForCausalLM", 10000.0},
                                         {"qwen3moe", "qwen3_moe", "Qwen3MoeForCausalLM", 10000.0},
                                         {"gemma3", "gemma3_text", "Gemma3ForCausalLM", 1000000.0}};
  for (const Family& family : kFamilies) {
    if (keys.architecture() != family.architecture) continue;
    const bool mixtral =
        keys.architecture() == "llama" && keys.file().integer("llama.expert_count").value_or(0) > 0;
    return mixtral ? Family{"llama", "mixtral", "MixtralForCausalLM", 10000.0} : family;
  }
  throw Error(ErrorKind::unsupported, Fault{keys.file().file(), "key 'general.architecture'",
                                            "llama, qwen2, qwen3, qwen3moe or gemma3", keys.architecture()});
}

}  // namespace

json gguf_config(const GgufFile& gguf) {
  const Keys keys(gguf);
  const Family family = family_of(keys);
  const std::string type = family.model_type;
  json config;
  config["architectures"] = {family.class_name};
  config["model_type"] = type;
  const std::int64_t layers = keys.size("block_count");
  if (layers > 10000)
    keys.fail(ErrorKind::config, "block_count", "at most 10000 layers", std::to_string(layers));
  const std::int64_t hidden = keys.size("embedding_length");
  const std::int64_t heads = keys.size("attention.head_count");
  const std::int64_t kv_heads = keys.size_or("attention.head_count_kv", heads);
  if (heads % kv_heads != 0) {
    keys.fail(ErrorKind::config, "attention.head_count_kv", fmt::format("a divisor of {}", heads),
              std::to_string(kv_heads));
  }
  config["num_hidden_layers"] = layers;
  config["hidden_size"] = hidden;
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = kv_heads;
  const std::int64_t dim = head_dim(keys, hidden, heads);
  config["head_dim"] = dim;
  // Mixtures of experts may leave out the dense width.
  config["intermediate_size"] =
      type == "qwen3_moe" ? keys.size_or("feed_forward_length", keys.size("expert_feed_forward_length"))
                          : keys.size("feed_forward_length");
  config["max_position_embeddings"] = keys.size("context_length");
  if (!keys.has("attention.layer_norm_rms_epsilon")) {
    keys.fail(ErrorKind::config, "attention.layer_norm_rms_epsilon", "a number", "no such key");
  }
  config["rms_norm_eps"] = keys.positive_or("attention.layer_norm_rms_epsilon", 1e-6);
  const double theta = keys.positive_or("rope.freq_base", family.rope_theta);
  config["rope_theta"] = theta;
  config["rope_scaling"] = rope_scaling(keys, theta, dim);
  config["vocab_size"] = vocabulary_size(keys);
  config["tie_word_embeddings"] = gguf.tensor("output.weight") == nullptr;
  // One flag for all four projections in llama; qwen2 has biases on q, k and v by definition.
  config["attention_bias"] = type != "qwen2" && gguf.tensor("blk.0.attn_q.bias") != nullptr;
  if (type != "gemma3_text") config["hidden_act"] = "silu";
  if (type == "llama") config["mlp_bias"] = gguf.tensor("blk.0.ffn_down.bias") != nullptr;
  if (type == "mixtral" || type == "qwen3_moe") add_experts(keys, config);
  if (type == "mixtral") config["sliding_window"] = nullptr;
  if (type == "qwen2" || type == "qwen3" || type == "qwen3_moe") {
    config["use_sliding_window"] = false;
    config["sliding_window"] = nullptr;
    config["max_window_layers"] = layers;
  }
  if (type == "gemma3_text") add_gemma3(keys, config, layers, hidden, heads);
  config["attention_dropout"] = 0.0;
  config["initializer_range"] = 0.02;
  config["use_cache"] = true;
  return config;
}

}  // namespace moe
