// How a model is loaded and computed: the flags that all programs which run one share.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

// The same where --weights, --compute and --cache-type take several values, as axes of a sweep; "own": what
// suits the others.
struct LoadAxes {
  std::vector<std::string> weights{"native"}, compute{"own"}, cache_type{"own"};
  LoadFlags place;  // the other flags
};
void add_load_axes(CLI::App& axes, CLI::App& places, LoadAxes& flags);
// Every combination, each once by what it comes to.
std::vector<LoadFlags> combinations(const LoadAxes& axes);

// --rope-length.
void add_rope_length_flag(CLI::App& app, std::int32_t& tokens);

// What the flags mean; team, progress and note are the caller's. Throws Error(usage).
LoadOptions load_options(const LoadFlags& flags);
// What --weights takes.
std::vector<std::string> weight_forms();
// usual_compute, unless --compute says otherwise.
kernels::Compute compute_of(const LoadFlags& flags);
// usual_kv_type, unless --cache-type says otherwise.
kernels::KvType kv_type_of(const LoadFlags& flags);

// Where programs keep what can be made again: $XDG_CACHE_HOME/moe, else ~/.cache/moe; empty where neither is
// known.
std::filesystem::path cache_folder();

}  // namespace moe::tools
