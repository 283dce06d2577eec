// Every family: a checkpoint that lacks a tensor, has it in another shape or type, or asks for an option that
// is not supported, is refused by name before any token is computed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "engine/base/files.h"
#include "engine/checkpoint/safetensors_writer.h"
#include "models/registry.h"
#include "tests/support/expect_error.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace moe::test {
namespace {

namespace fs = std::filesystem;

// One checkpoint of every family and of every way to store experts.
constexpr const char* kCases[] = {"llama-biases-v4",
                                  "llama-tied-f16",
                                  "qwen2-f32",
                                  "qwen3-f32",
                                  "qwen3_moe-f32",
                                  "qwen3_moe-packed",
                                  "qwen3_moe-sparse-step",
                                  "qwen2_moe-f32",
                                  "mixtral-f32",
                                  "mixtral-packed",
                                  "olmoe-f32",
                                  "phi3-longrope-f32",
                                  "gemma3_text-untied-biases",
                                  "gemma3-multimodal",
                                  "gemma4_text-shared-f32",
                                  "gemma4_text-k-eq-v",
                                  "gemma4_text-moe-f32",
                                  "gemma4-multimodal",
                                  "deepseek_v2-biases-f16",
                                  "deepseek_v3-f32",
                                  "deepseek_v3-fp8",
                                  "gpt_oss-f32",
                                  "gpt_oss-mxfp4",
                                  "moe_alibi-f32"};

// Tensors the model reads, scales included.
std::set<std::string> used_tensors(const fs::path& directory) {
  const models::Description description = models::describe(directory);
  const Checkpoint checkpoint = Checkpoint::open(directory);
  const WeightLocator locate = description.family->locate(description.spec, checkpoint);
  std::set<std::string> names;
  const auto add = [&](const WeightUse& use) {
    const TensorSlice slice = locate(use);
    names.insert(slice.tensor);
    if (!slice.scales.empty()) names.insert(slice.scales);
  };
  for (const WeightUse& use : model_weights(description.spec)) add(use);
  for (std::int32_t i = 0; i < description.spec.layer_count(); ++i) {
    for (const WeightUse& use : layer_weights(description.spec, i)) add(use);
  }
  return names;
}

enum class Fault { missing, longer, flat, integers };

// A copy of the checkpoint in which one tensor is wrong: left out, with one more row (of zeros), as a list of
// all its numbers, or of a type that holds none.
void write_broken(const fs::path& from, const fs::path& to, const std::string& wrong, Fault fault) {
  fs::copy_file(from / "config.json", to / "config.json", fs::copy_options::overwrite_existing);
  const Checkpoint checkpoint = Checkpoint::open(from);
  SafetensorsWriter writer(to);
  std::vector<std::byte> bytes;
  for (const std::string_view view : checkpoint.names()) {
    const std::string name(view);
    const Tensor& tensor = *checkpoint.find(name);
    std::vector<std::int64_t> shape = tensor.shape;
    DType type = tensor.dtype;
    std::size_t padding = 0;
    if (name == wrong) {
      const std::int64_t count =
          std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
      if (fault == Fault::missing) continue;
      if (fault == Fault::longer) {
        padding = tensor.data.size() / std::size_t(shape[0]);
        ++shape[0];
      } else if (fault == Fault::flat) {
        shape = shape.size() > 1 ? std::vector<std::int64_t>{count} : std::vector<std::int64_t>{1, count};
      } else {
        type = size_of(type) == 4 ? DType::i32 : size_of(type) == 2 ? DType::i16 : DType::i8;
      }
    }
    writer.declare(name, type, shape);
    bytes.insert(bytes.end(), tensor.data.begin(), tensor.data.end());
    bytes.resize(bytes.size() + padding);
  }
  writer.write(bytes);
  writer.finish();
}

// A layout is told by the names that are there: without one of its tensors, another layout's name may be
// missed.
std::string place_of(const std::string& name) {
  const std::size_t at = name.find("layers.");
  if (at == std::string::npos) return name.substr(name.rfind('.', name.rfind('.') - 1) + 1);
  return name.substr(at, name.find('.', at + 7) - at);
}

class RefusedCheckpoints : public ::testing::TestWithParam<const char*> {};

TEST_P(RefusedCheckpoints, NameTheTensorThatIsMissingOrDoesNotFit) {
  const fs::path directory = fixture("golden/models") / GetParam();
  const TempDir folder;
  for (const std::string& name : used_tensors(directory)) {
    // Experts are alike: the first one of a layer stands for all.
    const std::size_t expert = name.find(".experts.");
    if (expert != std::string::npos && std::isdigit(static_cast<unsigned char>(name[expert + 9])) != 0 &&
        name[expert + 9] != '0')
      continue;
    for (const Fault fault : {Fault::missing, Fault::longer, Fault::flat, Fault::integers}) {
      write_broken(directory, folder.path(), name, fault);
      try {
        models::load_model(folder.path());
        ADD_FAILURE() << name << " with fault " << int(fault) << " was loaded";
      } catch (const Error& error) {
        const std::string message = error.what();
        EXPECT_NE(message.find(fault == Fault::missing ? place_of(name) : name), std::string::npos)
            << message << "\n  for " << name;
        EXPECT_FALSE(error.fault().expected.empty() || error.fault().found.empty()) << message;
      }
    }
  }
}

// Tensors no slot asks for (towers of other senses, spare caches, prediction layers) may be anything.
TEST_P(RefusedCheckpoints, WhatNoSlotAsksForMayBeMissing) {
  const fs::path directory = fixture("golden/models") / GetParam();
  const std::set<std::string> used = used_tensors(directory);
  const TempDir folder;
  const Checkpoint checkpoint = Checkpoint::open(directory);
  for (const std::string_view name : checkpoint.names()) {
    if (used.contains(std::string(name))) continue;
    write_broken(directory, folder.path(), std::string(name), Fault::missing);
    EXPECT_NO_THROW(models::load_model(folder.path())) << name;
  }
}

std::string test_name(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Families, RefusedCheckpoints, ::testing::ValuesIn(kCases), test_name);

TEST(Families, EachHasGoldenCasesForEveryModelType) {
  std::set<std::string> found;
  for (const std::string& name : golden_names()) found.insert(name.substr(0, name.find('-')));
  for (const models::Family& family : models::families()) {
    for (const std::string_view type : family.model_types)
      EXPECT_TRUE(found.contains(std::string(type))) << type;
  }
}

struct Option {
  const char* name;     // of the test
  const char* model;    // whose config.json is changed
  const char* changes;  // JSON merge patch
  ErrorKind kind;
  std::vector<std::string_view> parts;  // of the message
};

void PrintTo(const Option& option, std::ostream* out) { *out << option.name; }

const std::vector<Option>& options() {
  constexpr auto kUnsupported = ErrorKind::unsupported;
  constexpr auto kConfig = ErrorKind::config;
  static const std::vector<Option> kOptions{
      {"family", "llama-f32", R"({"model_type": "mamba"})", kUnsupported, {"model_type", "mamba", "llama"}},
      {"llama_activation",
       "llama-f32",
       R"({"hidden_act": "gelu"})",
       kUnsupported,
       {"hidden_act", "silu", "gelu"}},
      {"llama_rope_type",
       "llama-f32",
       R"({"rope_parameters": {"rope_type": "xpos"}})",
       kUnsupported,
       {"rope_parameters.rope_type", "xpos"}},
      {"llama_old_rope_type",
       "llama-f32",
       R"({"rope_scaling": {"type": "axial"}})",
       kUnsupported,
       {"rope_scaling.type", "axial"}},
      {"llama_rope_without_factor",
       "llama-f32",
       R"({"rope_scaling": {"rope_type": "linear"}})",
       kConfig,
       {"rope_scaling.factor"}},
      {"llama_rope_by_layer",
       "llama-f32",
       R"({"rope_parameters": {"full_attention": {"rope_type": "default"}}})",
       kUnsupported,
       {"rope_parameters.full_attention"}},
      {"llama_partial",
       "llama-f32",
       R"({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}})",
       kUnsupported,
       {"partial_rotary_factor", "0.5"}},
      {"llama_quantised",
       "llama-f32",
       R"({"quantization_config": {"quant_method": "gptq"}})",
       kUnsupported,
       {"quantization_config.quant_method", "gptq"}},
      {"llama_heads", "llama-f32", R"({"num_key_value_heads": 3})", kConfig, {"attention heads", "3"}},
      {"llama_factors",
       "llama-f32",
       R"({"rope_parameters": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}})",
       kConfig,
       {"longrope factors", "1"}},
      {"qwen2_activation", "qwen2-f32", R"({"hidden_act": "relu"})", kUnsupported, {"hidden_act", "relu"}},
      {"qwen2_layer_types",
       "qwen2-f32",
       R"({"layer_types": ["linear_attention", "full_attention"]})",
       kUnsupported,
       {"layer_types", "linear_attention"}},
      {"qwen3_layer_count",
       "qwen3-f32",
       R"({"layer_types": ["full_attention"]})",
       kConfig,
       {"layer_types", "3 entries"}},
      {"qwen3_activation", "qwen3-f32", R"({"hidden_act": "gelu_new"})", kUnsupported, {"hidden_act"}},
      {"qwen3_moe_activation", "qwen3_moe-f32", R"({"hidden_act": "gelu"})", kUnsupported, {"hidden_act"}},
      {"qwen3_moe_top_k",
       "qwen3_moe-f32",
       R"({"num_experts_per_tok": 7})",
       kConfig,
       {"experts per token", "6"}},
      {"qwen2_moe_activation", "qwen2_moe-f32", R"({"hidden_act": "gelu"})", kUnsupported, {"hidden_act"}},
      {"qwen2_moe_layer_types",
       "qwen2_moe-f32",
       R"({"layer_types": ["chunked_attention", "full_attention"]})",
       kUnsupported,
       {"layer_types"}},
      {"mixtral_activation", "mixtral-f32", R"({"hidden_act": "gelu"})", kUnsupported, {"hidden_act"}},
      {"mixtral_quantised",
       "mixtral-f32",
       R"({"quantization_config": {"quant_method": "awq"}})",
       kUnsupported,
       {"awq"}},
      {"olmoe_activation", "olmoe-f32", R"({"hidden_act": "gelu"})", kUnsupported, {"hidden_act"}},
      {"olmoe_clip", "olmoe-f32", R"({"clip_qkv": -1.0})", kConfig, {"clip_qkv", "-1"}},
      {"phi3_bias", "phi3-f32", R"({"attention_bias": true})", kUnsupported, {"attention_bias"}},
      {"phi3_rope",
       "phi3-f32",
       R"({"rope_scaling": {"type": "linear", "factor": 2.0}})",
       kUnsupported,
       {"rope_scaling.type", "linear"}},
      {"phi3_activation", "phi3-f32", R"({"hidden_act": "gelu"})", kUnsupported, {"hidden_act"}},
      {"gemma3_activation",
       "gemma3_text-f32",
       R"({"hidden_activation": "gelu"})",
       kUnsupported,
       {"hidden_activation"}},
      {"gemma3_bidirectional",
       "gemma3_text-f32",
       R"({"use_bidirectional_attention": true})",
       kUnsupported,
       {"use_bidirectional_attention"}},
      {"gemma3_nested",
       "gemma3-multimodal",
       R"({"text_config": {"hidden_activation": "silu"}})",
       kUnsupported,
       {"text_config.hidden_activation"}},
      {"gemma4_activation",
       "gemma4_text-plain",
       R"({"hidden_activation": "silu"})",
       kUnsupported,
       {"hidden_activation"}},
      {"gemma4_bidirectional",
       "gemma4_text-plain",
       R"({"use_bidirectional_attention": "all"})",
       kUnsupported,
       {"use_bidirectional_attention", "all"}},
      {"gemma4_layers",
       "gemma4_text-plain",
       R"({"per_layer_config": {"9": {"head_dim": 8}}})",
       kConfig,
       {"per_layer_config", "9"}},
      {"gemma4_no_donor",
       "gemma4_text-shared-f32",
       R"({"num_kv_shared_layers": 7})",
       kConfig,
       {"num_kv_shared_layers"}},
      {"gemma4_no_experts",
       "gemma4_text-plain",
       R"({"enable_moe_block": true, "moe_intermediate_size": 4, "top_k_experts": 1, "num_experts": null})",
       kConfig,
       {"num_experts"}},
      {"deepseek_v2_activation",
       "deepseek_v2-f32",
       R"({"hidden_act": "gelu"})",
       kUnsupported,
       {"hidden_act"}},
      {"deepseek_v2_method",
       "deepseek_v2-f32",
       R"({"topk_method": "noaux_tc"})",
       kUnsupported,
       {"topk_method", "noaux_tc"}},
      {"deepseek_v2_mlp_bias", "deepseek_v2-f32", R"({"mlp_bias": true})", kUnsupported, {"mlp_bias"}},
      {"deepseek_v3_groups", "deepseek_v3-f32", R"({"n_group": 3})", kConfig, {"expert groups", "8", "3"}},
      {"deepseek_v3_kept_groups",
       "deepseek_v3-f32",
       R"({"topk_group": 5})",
       kConfig,
       {"kept expert groups", "5"}},
      {"deepseek_v3_block",
       "deepseek_v3-fp8",
       R"({"quantization_config": {"weight_block_size": [64, 128]}})",
       kUnsupported,
       {"weight_block_size"}},
      {"deepseek_v3_method",
       "deepseek_v3-fp8",
       R"({"quantization_config": {"quant_method": "bitsandbytes"}})",
       kUnsupported,
       {"quant_method", "bitsandbytes"}},
      {"gpt_oss_activation", "gpt_oss-f32", R"({"hidden_act": "gelu"})", kUnsupported, {"hidden_act"}},
      {"gpt_oss_method",
       "gpt_oss-mxfp4",
       R"({"quantization_config": {"quant_method": "fp8"}})",
       kUnsupported,
       {"quant_method", "mxfp4", "fp8"}},
      {"gpt_oss_limit", "gpt_oss-f32", R"({"swiglu_limit": 0.0})", kConfig, {"swiglu_limit"}},
      {"moe_alibi_sizes", "moe_alibi-f32", R"({"hidden_size": null})", kConfig, {"hidden_size"}},
      {"moe_alibi_activation", "moe_alibi-f32", R"({"hidden_act": "gelu"})", kUnsupported, {"hidden_act"}},
      {"moe_alibi_experts", "moe_alibi-f32", R"({"num_experts": null})", kConfig, {"num_experts"}},
  };
  return kOptions;
}

class RefusedOptions : public ::testing::TestWithParam<Option> {};

TEST_P(RefusedOptions, AreNamed) {
  const Option& option = GetParam();
  const TempDir folder;
  auto config =
      nlohmann::json::parse(read_file(fixture("golden/models") / option.model / "config.json", 1 << 20));
  config.merge_patch(nlohmann::json::parse(option.changes));
  folder.write("config.json", config.dump());
  try {
    models::describe(folder.path());
    FAIL() << "accepted";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(int(error.kind()), int(option.kind)) << message;
    for (const std::string_view part : option.parts)
      EXPECT_NE(message.find(part), std::string::npos) << part << " not in: " << message;
  }
}

std::string option_name(const ::testing::TestParamInfo<Option>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Families, RefusedOptions, ::testing::ValuesIn(options()), option_name);

}  // namespace
}  // namespace moe::test
