#include "models/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/base/error.h"
#include "engine/base/files.h"
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
  if (is_present(file)) {
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

// Types of the stored numbers: bf16 where the file does not say, as published files are.
StoredTypes stored_types(const Config& file) {
  StoredTypes stored;
  const std::optional<Config> text = file.find_section("text_config");
  std::string type;
  for (const Config* config : {&file, text ? &*text : nullptr}) {
    if (config == nullptr) continue;
    for (const char* key : {"dtype", "torch_dtype"}) {
      if (type.empty()) type = config->string_or(key, "");
    }
  }
  if (type == "float32") stored.type = DType::f32;
  if (type == "float16") stored.type = DType::f16;
  if (const auto quantization = file.find_section("quantization_config")) {
    const std::string method = quantization->string_or("quant_method", "");
    if (method == "fp8") stored.blocks = StoredTypes::Blocks::fp8;
    if (method == "mxfp4") stored.blocks = StoredTypes::Blocks::mxfp4;
  }
  return stored;
}

// A tied model whose file holds a head all the same: transformers ties the two only if they are equal.
bool stores_another_head(const Description& description, const Checkpoint& checkpoint) {
  const ModelSpec& spec = description.spec;
  const WeightLocator locate = description.family->locate(spec, checkpoint);
  const Tensor* head = checkpoint.find(locate({Slot::head, -1, -1, spec.vocab, spec.hidden}).tensor);
  const Tensor* embedding = checkpoint.find(locate({Slot::embedding, -1, -1, spec.vocab, spec.hidden}).tensor);
  if (head == nullptr || embedding == nullptr) return false;
  const bool equal = head->dtype == embedding->dtype && std::ranges::equal(head->data, embedding->data);
  checkpoint.drop(*head, head->data);
  checkpoint.drop(*embedding, embedding->data);
  return !equal;
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

std::string name(const RouterOverride& change) {
  std::string text;
  if (change.experts_per_token) text = fmt::format("experts_per_token={}", *change.experts_per_token);
  if (change.renormalise) text += fmt::format("{}renormalise={}", text.empty() ? "" : ",", *change.renormalise ? "on" : "off");
  return text;
}

void apply(const RouterOverride& change, ModelSpec& spec) {
  if (!change.experts_per_token && !change.renormalise) return;
  bool any = false;
  for (LayerSpec& layer : spec.layers) {
    if (!layer.experts) continue;
    any = true;
    RouterSpec& r = layer.experts->router;
    if (change.experts_per_token) {
      const std::int32_t reachable = r.group_score == RouterSpec::GroupScore::none ? r.experts : r.experts / r.groups * r.groups_kept;
      if (*change.experts_per_token < 1 || *change.experts_per_token > reachable) {
        throw Error(ErrorKind::usage, Fault{"", "experts per token", fmt::format("1 to {}", reachable), std::to_string(*change.experts_per_token)});
      }
      r.top_k = *change.experts_per_token;
    }
    if (!change.renormalise) continue;
    // A softmax over the chosen is a softmax over all that was renormalised; undone, it is one over all.
    if (r.score == RouterSpec::Score::softmax_of_chosen) {
      if (!*change.renormalise) r.score = RouterSpec::Score::softmax;
    } else {
      r.renormalise = *change.renormalise;
    }
  }
  if (!any) throw Error(ErrorKind::usage, Fault{"", "router settings", "a model with experts", "a dense " + spec.family + " model"});
}

Description describe(const std::filesystem::path& directory, const RouterOverride& change) {
  return describe_file(directory / "config.json", change);
}

Description describe_file(const std::filesystem::path& file, const RouterOverride& change) {
  const Config config = Config::open(file);
  Description description;
  description.family = &family_of(config);
  refuse_quantization(config, *description.family);
  description.spec = description.family->describe(config);
  description.stored = stored_types(config);
  add_stop_ids(description.spec, config, file.parent_path());
  validate(description.spec, config.file());
  apply(change, description.spec);
  return description;
}

std::shared_ptr<const Model> load_model(const std::filesystem::path& directory, const LoadOptions& options,
                                        const RouterOverride& change) {
  return load_model(describe(directory, change), directory, options);
}

std::shared_ptr<const Model> load_model(Description description, const std::filesystem::path& directory,
                                        const LoadOptions& options) {
  auto checkpoint = std::make_shared<const Checkpoint>(Checkpoint::open(directory));
  if (description.spec.tied_head && stores_another_head(description, *checkpoint)) description.spec.tied_head = false;
  // The locator refers to a spec that outlives it: the model keeps its own copy.
  const ModelSpec spec = description.spec;
  return Model::load(std::move(description.spec), description.family->locate(spec, *checkpoint), checkpoint, options);
}

}  // namespace moe::models
