// From a model directory to a description, and to a loaded model.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engine/runtime/inspect.h"
#include "engine/runtime/model.h"
#include "models/family.h"

namespace moe::models {

// What config.json (and generation_config.json) say of a model; the directory needs no weights.
struct Description {
  const Family* family = nullptr;
  ModelSpec spec;
  StoredTypes stored;
};

// The family that config.json's model_type names. Error(unsupported) lists the known ones.
const Family& family_of(const Config& config);

// Changes to a checkpoint's routing, for experiments.
struct RouterOverride {
  std::optional<std::int32_t> experts_per_token;
  std::optional<bool> renormalise;  // the chosen weights sum to 1, or are left as the softmax over all experts gives them
};
// "" for none, else "experts_per_token=4,renormalise=on": goes into records of what was run.
std::string name(const RouterOverride& change);
// Throws Error(usage) where the model has no experts or cannot choose that many.
void apply(const RouterOverride& change, ModelSpec& spec);

// Reads and checks the description. Errors: io, format, config, unsupported.
Description describe(const std::filesystem::path& directory, const RouterOverride& change = {});
// The same of a config.json by any name; generation_config.json is looked for beside it.
Description describe_file(const std::filesystem::path& config, const RouterOverride& change = {});

// Describes, checks every tensor, loads.
std::shared_ptr<const Model> load_model(const std::filesystem::path& directory, const LoadOptions& options = {},
                                        const RouterOverride& change = {});
// The same with a description that may have been changed (fewer layers).
std::shared_ptr<const Model> load_model(Description description, const std::filesystem::path& directory,
                                        const LoadOptions& options = {});

}  // namespace moe::models
