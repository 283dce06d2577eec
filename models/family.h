// A model family: how its config.json becomes a ModelSpec, and what it calls its tensors. Nothing else; a family
// holds no loop over tokens.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/config.h"
#include "engine/model/spec.h"
#include "engine/model/weights.h"

namespace moe::models {

struct Family {
  std::string_view name;                      // "qwen3_moe"
  std::vector<std::string_view> model_types;  // values of config.json's model_type
  // Throws Error(config) for missing or impossible values and Error(unsupported) for options it cannot run.
  ModelSpec (*describe)(const Config& config);
  // May look at which tensors the checkpoint holds (packed or per-expert, which prefix). Refers to both.
  WeightLocator (*locate)(const ModelSpec& spec, const Checkpoint& checkpoint);
  // The quantization_config.quant_method its files may have; others are refused.
  std::string_view quant_method = {};
};

// All families of this build.
std::span<const Family> families();

}  // namespace moe::models
