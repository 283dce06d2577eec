// How a model is loaded and computed: the flags that all programs which run one share.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "engine/runtime/model.h"
#include "kernels/compute.h"

namespace moe::tools {

struct LoadFlags {
  std::string weights = "native";
  std::string compute;  // empty: what suits the weights
  std::string packed_cache = "auto";
  std::string mmap = "auto";
  bool check_weights = false;
};

// Adds --weights, --compute, --packed-cache, --mmap and --check-weights; parsing fills `flags`, which must
// outlive `app`.
void add_load_flags(CLI::App& app, LoadFlags& flags);

// What the flags mean; team, progress and note are the caller's. Throws Error(usage).
LoadOptions load_options(const LoadFlags& flags);
// f32 for native weights and int8 for quantised ones, unless --compute says otherwise.
kernels::Compute compute_of(const LoadFlags& flags);

// Where programs keep what can be made again: $XDG_CACHE_HOME/moe, else ~/.cache/moe; empty where neither is
// known.
std::filesystem::path cache_folder();

}  // namespace moe::tools
