// Upcycling: the configuration's keys, expert copies, routers.
#include "engine/convert/upcycle.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/split_mix.h"

namespace moe {
namespace {

using nlohmann::json;

// Uniform in (-a, a), a = 0.02 * sqrt(3), by position alone, so that rows can be produced in any order.
float router_weight(std::uint64_t seed, std::uint64_t layer, std::uint64_t row, std::uint64_t column) {
  const std::uint64_t bits = split_mix(split_mix(split_mix(split_mix(seed) ^ layer) ^ row) ^ column);
  const double unit = static_cast<double>(bits >> 40) / static_cast<double>(1 << 24);  // [0, 1)
  const auto value = static_cast<float>((2 * unit - 1) * 0.02 * std::sqrt(3.0));
  return bf16_to_f32(f32_to_bf16(value));
}

struct Names {
  const char* block;  // the MLP's place in a layer
  const char* gate;
  const char* up;
  const char* down;
};
constexpr Names kMixtral = {"block_sparse_moe", "w1", "w3", "w2"};
constexpr Names kQwen3Moe = {"mlp", "gate_proj", "up_proj", "down_proj"};

[[noreturn]] void refuse(const ModelImage& image, std::string thing, std::string expected,
                         std::string found) {
  throw Error(ErrorKind::unsupported,
              Fault{image.source, std::move(thing), std::move(expected), std::move(found)});
}

void refuse_flag(const ModelImage& image, const json& config, const char* key) {
  const auto found = config.find(key);
  if (found != config.end() && !found->is_null() && *found != json(false)) {
    refuse(image, key, "false, to upcycle", found->dump());
  }
}

void to_mixtral(const ModelImage& image, json& config, const Upcycling& how) {
  refuse_flag(image, config, "attention_bias");
  refuse_flag(image, config, "mlp_bias");
  config["architectures"] = {"MixtralForCausalLM"};
  config["model_type"] = "mixtral";
  config["num_local_experts"] = how.experts;
  config["num_experts_per_tok"] = how.used;
  config["sliding_window"] = nullptr;
  // These two have other defaults in the target's configuration.
  if (!config.contains("rms_norm_eps")) config["rms_norm_eps"] = 1e-6;
  if (!config.contains("rope_theta") && !config.contains("rope_parameters")) config["rope_theta"] = 10000.0;
  if (!config.contains("num_key_value_heads"))
    config["num_key_value_heads"] = config.at("num_attention_heads");
  for (const char* key : {"attention_bias", "mlp_bias", "pretraining_tp"}) config.erase(key);
}

void to_qwen3_moe(const ModelImage& image, json& config, const Upcycling& how) {
  refuse_flag(image, config, "use_sliding_window");
  config["architectures"] = {"Qwen3MoeForCausalLM"};
  config["model_type"] = "qwen3_moe";
  config["num_experts"] = how.experts;
  config["num_experts_per_tok"] = how.used;
  config["moe_intermediate_size"] = config.at("intermediate_size");
  config["norm_topk_prob"] = true;
  config["decoder_sparse_step"] = 1;
  config["mlp_only_layers"] = json::array();
  // The dense configuration's own defaults, where it leaves a key out.
  if (!config.contains("head_dim")) config["head_dim"] = 128;
  if (!config.contains("num_key_value_heads")) config["num_key_value_heads"] = 32;
  config.erase("layer_types");
}

// "model.layers.12.mlp.gate_proj.weight" -> 12 and "gate_proj"
struct MlpName {
  std::int64_t layer;
  std::string part;
};
std::optional<MlpName> mlp_name(const std::string& name) {
  constexpr std::string_view kBefore = "model.layers.";
  if (name.rfind(kBefore, 0) != 0) return std::nullopt;
  const std::size_t dot = name.find('.', kBefore.size());
  if (dot == std::string::npos || dot == kBefore.size() || dot - kBefore.size() > 6) return std::nullopt;
  std::int64_t layer = 0;
  for (std::size_t i = kBefore.size(); i < dot; ++i) {
    if (name[i] < '0' || name[i] > '9') return std::nullopt;
    layer = layer * 10 + (name[i] - '0');
  }
  for (const char* part : {"gate_proj", "up_proj", "down_proj"}) {
    if (name.compare(dot, std::string::npos, fmt::format(".mlp.{}.weight", part)) == 0)
      return MlpName{layer, part};
  }
  return std::nullopt;
}

ImageTensor router(const Names& names, std::int64_t layer, std::int64_t hidden, DType native,
                   const Upcycling& how) {
  ImageTensor out;
  out.name = fmt::format("model.layers.{}.{}.gate.weight", layer, names.block);
  out.shape = {how.experts, hidden};
  out.native = native;
  out.read = [=, seed = how.seed](std::int64_t first, std::int64_t count, float* to) {
    for (std::int64_t row = first; row < first + count; ++row) {
      for (std::int64_t i = 0; i < hidden; ++i) {
        *to++ = router_weight(seed, static_cast<std::uint64_t>(layer), static_cast<std::uint64_t>(row),
                              static_cast<std::uint64_t>(i));
      }
    }
  };
  return out;
}

}  // namespace

void upcycle(ModelImage& image, const Upcycling& how) {
  if (how.experts < 1 || how.experts > 1024 || how.used < 1 || how.used > how.experts) {
    throw Error(ErrorKind::usage, Fault{"", "--upcycle E:k", "1 <= k <= E <= 1024",
                                        fmt::format("{}:{}", how.experts, how.used)});
  }
  json config = parse_json(image.files.at("config.json"), image.source + "/config.json");
  const auto read_type = config.find("model_type");
  const std::string type =
      read_type != config.end() && read_type->is_string() ? read_type->get<std::string>() : "none";
  if (type != "llama" && type != "qwen3") refuse(image, "model_type", "llama or qwen3, to upcycle", type);
  if (config.value("hidden_act", json("silu")) != json("silu")) {
    refuse(image, "hidden_act", "silu", config.at("hidden_act").dump());
  }
  for (const char* key : {"hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_number_integer()) {
      throw Error(ErrorKind::config, Fault{image.source, key, "an integer",
                                           found == config.end() ? "no such key" : found->dump()});
    }
  }
  const Names& names = type == "llama" ? kMixtral : kQwen3Moe;
  const auto hidden = config.at("hidden_size").get<std::int64_t>();
  std::int64_t routers = 0;
  std::vector<ImageTensor> tensors;
  for (ImageTensor& tensor : image.tensors) {
    const auto mlp = mlp_name(tensor.name);
    if (!mlp) {
      tensors.push_back(std::move(tensor));
      continue;
    }
    if (mlp->part == "gate_proj") {
      tensors.push_back(router(names, mlp->layer, hidden, tensor.native, how));
      ++routers;
    }
    const char* part = mlp->part == "gate_proj" ? names.gate : mlp->part == "up_proj" ? names.up : names.down;
    for (std::int64_t e = 0; e < how.experts; ++e) {
      ImageTensor copy = tensor;
      copy.name = fmt::format("model.layers.{}.{}.experts.{}.{}.weight", mlp->layer, names.block, e, part);
      // The pages are read again for the next copy; give them back after the last.
      if (e + 1 < how.experts) copy.release = nullptr;
      tensors.push_back(std::move(copy));
    }
  }
  if (routers != config.at("num_hidden_layers").get<std::int64_t>()) {
    refuse(image, "tensors",
           fmt::format("a dense MLP in each of {} layers", config.at("num_hidden_layers").dump()),
           fmt::format("{}", routers));
  }
  if (type == "llama") {
    to_mixtral(image, config, how);
  } else {
    to_qwen3_moe(image, config, how);
  }
  image.tensors = std::move(tensors);
  image.files["config.json"] = config.dump(2) + "\n";
}

}  // namespace moe
