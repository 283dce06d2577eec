// How a model is loaded and computed: the flags that all programs which run one share.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "engine/runtime/model.h"
#include "kernels/compute.h"
#include "kernels/kv_block.h"

namespace moe::tools {

// What --compute can be, by name.
inline const std::map<std::string, kernels::Compute> kComputes{
    {"f32", kernels::Compute::f32}, {"bf16", kernels::Compute::bf16}, {"int8", kernels::Compute::int8}};

struct LoadFlags {
  std::string weights = "native";
  std::string compute;  // empty: what suits the weights
  std::string cache_type = "auto";
  std::string packed_cache = "auto";
  std::string mmap = "auto";
  bool check_weights = false;
};

// Adds --weights, --compute, --cache-type, --packed-cache, --mmap and --check-weights; parsing fills `flags`, which must
// outlive `app`.
void add_load_flags(CLI::App& app, LoadFlags& flags);

// --rope-length.
void add_rope_length_flag(CLI::App& app, std::int32_t& tokens);

// What the flags mean; team, progress and note are the caller's. Throws Error(usage).
LoadOptions load_options(const LoadFlags& flags);
// The type that --weights quantises to; nothing for native.
std::optional<kernels::WeightType> quantised_type(std::string_view weights);
// f32 for native weights and int8 for quantised ones, unless --compute says otherwise.
kernels::Compute compute_of(const LoadFlags& flags);
// What keys and values are kept as: f32 where products compute in f32, else bf16, unless --cache-type says otherwise.
kernels::KvType kv_type_of(const LoadFlags& flags);

// Where programs keep what can be made again: $XDG_CACHE_HOME/moe, else ~/.cache/moe; empty where neither is
// known.
std::filesystem::path cache_folder();

}  // namespace moe::tools
