#include "models/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/base/error.h"
#include "models/families.h"

namespace moe::models {
namespace {

// Ids that end a reply, from generation_config.json: it may know more of them than config.json.
void add_stop_ids(ModelSpec& spec, const std::filesystem::path& directory) {
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

}  // namespace

std::span<const Family> families() {
  static const std::array kFamilies{kLlama, kQwen3, kQwen3Moe};
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
  description.spec = description.family->describe(config);
  add_stop_ids(description.spec, directory);
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
