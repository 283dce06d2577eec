#include "models/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/base/error.h"
#include "models/families.h"

namespace moe::models {
namespace {

// Ids that end a reply, from generation_config.json: it may know more of them than config.json.
void add_stop_ids(ModelSpec& spec, const Config& own, const std::filesystem::path& directory) {
  if (own.has("eos_token_id")) {  // a multimodal file has it outside its text_config
    for (const std::int64_t id : own.integer_list("eos_token_id", 0, std::numeric_limits<std::int32_t>::max())) {
      spec.stop_ids.push_back(std::int32_t(id));
    }
  }
  const std::filesystem::path file = directory / "generation_config.json";
  if (std::filesystem::exists(file)) {
    const Config config = Config::open(file);
    if (config.has("eos_token_id")) {
      for (const std::int64_t id : config.integer_list("eos_token_id", 0, std::numeric_limits<std::int32_t>::max())) {
        spec.stop_ids.push_back(std::int32_t(id));
      }
    }
  }
  std::ranges::sort(spec.stop_ids);
  spec.stop_ids.erase(std::unique(spec.stop_ids.begin(), spec.stop_ids.end()), spec.stop_ids.end());
}

// Weights packed by a tool this engine does not read would be taken for numbers they are not.
void refuse_quantization(const Config& config, const Family& family) {
  const auto quantization = config.find_section("quantization_config");
  if (!quantization) return;
  const std::string method = quantization->string_or("quant_method", "unknown");
  if (method == family.quant_method) return;
  throw Error(ErrorKind::unsupported,
              Fault{config.file(), "quantization_config.quant_method",
                    family.quant_method.empty() ? "no quantization_config for this family" : std::string(family.quant_method), method});
}

}  // namespace

std::span<const Family> families() {
  static const std::array kFamilies{
      kLlama, kQwen2, kQwen3, kQwen2Moe, kQwen3Moe, kMixtral, kOlmoe, kPhi3,
      kGemma3, kGemma4, kDeepseekV2, kDeepseekV3, kGptOss, kMoeAlibi};
  return kFamilies;
}

const Family& family_of(const Config& config) {
  const std::string type = config.string("model_type");
  for (const Family& family : families()) {
    if (std::ranges::find(family.model_types, type) != family.model_types.end()) return family;
  }
  std::string known;
  for (const Family& family : families()) {
    for (const std::string_view name : family.model_types) known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
  }
  throw Error(ErrorKind::unsupported, Fault{config.file(), "model_type", "one of " + known, '"' + type + '"'});
}

Description describe(const std::filesystem::path& directory) {
  const Config config = Config::open(directory / "config.json");
  Description description;
  description.family = &family_of(config);
  refuse_quantization(config, *description.family);
  description.spec = description.family->describe(config);
  add_stop_ids(description.spec, config, directory);
  validate(description.spec, config.file());
  return description;
}

std::shared_ptr<const Model> load_model(const std::filesystem::path& directory, const LoadOptions& options) {
  Description description = describe(directory);
  auto checkpoint = std::make_shared<const Checkpoint>(Checkpoint::open(directory));
  // The locator refers to a spec that outlives it: the model keeps its own copy.
  const ModelSpec spec = description.spec;
  return Model::load(std::move(description.spec), description.family->locate(spec, *checkpoint), checkpoint, options);
}

}  // namespace moe::models
