#include "tools/common/load_flags.h"

#include <algorithm>
#include <cstdlib>

#include "engine/base/error.h"
#include "engine/runtime/usual_types.h"

namespace moe::tools {

namespace {

constexpr const char* kWeightsHelp =
    "Form in memory: as the checkpoint stores them, or matrices quantised at load in groups of 32 (the head "
    "too, in q4h8 to 8 bits; "
    "not routers, norms, embeddings)";
constexpr const char* kComputeHelp =
    "Arithmetic of the matrix products (default: f32 for native weights, int8 for quantised ones)";
constexpr const char* kCacheHelp =
    "What keys and values are kept as; auto: f32 where products compute in f32, else bf16";

void add_place_flags(CLI::App& group, LoadFlags& flags) {
  group
      .add_option("--packed-cache", flags.packed_cache,
                  "Packed weights on disk, for a start without reading the checkpoint: auto (use one made "
                  "before), on (make it too), off, or the folder to keep them in (makes them; else "
                  "~/.cache/moe/packed)")->type_name("auto|on|off|DIR")
      ->capture_default_str();
  group
      .add_option(
          "--mmap", flags.mmap,
          "off: all weights in memory. on: as they lie in a mapped file, the packed one or else the "
          "checkpoint, whose weights are then packed again in every step. auto: in the packed file if "
          "there is one, else in memory, else (where they do not fit) in the checkpoint")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  group.add_flag("--check-weights", flags.check_weights,
                 "Compare packed weights with their checksums before use");
}

}  // namespace

void add_load_flags(CLI::App& app, LoadFlags& flags) {
  auto* group = app.add_option_group("Weights");
  group->add_option("--weights", flags.weights, kWeightsHelp)
      ->check(CLI::IsMember(weight_forms()))
      ->capture_default_str();
  group->add_option("--compute", flags.compute, kComputeHelp)->check(CLI::IsMember({"f32", "bf16", "int8"}));
  group->add_option("--cache-type", flags.cache_type, kCacheHelp)
      ->check(CLI::IsMember({"auto", "f32", "bf16", "q8"}))
      ->capture_default_str();
  add_place_flags(*group, flags);
}

void add_load_axes(CLI::App& axes, CLI::App& places, LoadAxes& flags) {
  axes.add_option("--weights", flags.weights, kWeightsHelp)
      ->delimiter(',')
      ->check(CLI::IsMember(weight_forms()))
      ->capture_default_str();
  axes.add_option("--compute", flags.compute, kComputeHelp)
      ->delimiter(',')
      ->check(CLI::IsMember({"own", "f32", "bf16", "int8"}))
      ->capture_default_str();
  axes.add_option("--cache-type", flags.cache_type, kCacheHelp)
      ->delimiter(',')
      ->check(CLI::IsMember({"own", "auto", "f32", "bf16", "q8"}))
      ->capture_default_str();
  add_place_flags(places, flags.place);
}

std::vector<LoadFlags> combinations(const LoadAxes& axes) {
  std::vector<LoadFlags> out;
  for (const std::string& weights : axes.weights) {
    for (const std::string& compute : axes.compute) {
      for (const std::string& cache_type : axes.cache_type) {
        LoadFlags one = axes.place;
        one.weights = weights;
        if (compute != "own") one.compute = compute;
        if (cache_type != "own") one.cache_type = cache_type;
        const auto same = [&](const LoadFlags& other) {
          return other.weights == one.weights && compute_of(other) == compute_of(one) &&
                 kv_type_of(other) == kv_type_of(one);
        };
        if (std::ranges::none_of(out, same)) out.push_back(std::move(one));
      }
    }
  }
  return out;
}

void add_rope_length_flag(CLI::App& app, std::int32_t& tokens) {
  app.add_option("--rope-length", tokens,
                 "Where the rotation depends on a sequence's length (LongRoPE, dynamic NTK), treat it as at "
                 "least N tokens from its start on, so that it never has to be computed again")
      ->check(CLI::Range(1, INT32_MAX));
}

LoadOptions load_options(const LoadFlags& flags) {
  LoadOptions options;
  options.quantise = quantisation(flags.weights);
  options.verify_packed = flags.check_weights;
  options.mapping = flags.mmap == "on"    ? LoadOptions::Mapping::always
                    : flags.mmap == "off" ? LoadOptions::Mapping::never
                                          : LoadOptions::Mapping::automatic;
  if (flags.packed_cache == "off") return options;
  const bool named = flags.packed_cache != "auto" && flags.packed_cache != "on";
  const std::filesystem::path home = cache_folder();
  if (flags.packed_cache.empty())
    throw Error(ErrorKind::usage, Fault{"", "--packed-cache", "auto, on, off or a folder", "nothing"});
  if (flags.packed_cache == "on" && home.empty()) {
    throw Error(ErrorKind::usage, Fault{"", "--packed-cache on",
                                        "XDG_CACHE_HOME or HOME, or a folder in place of \"on\"", "neither"});
  }
  options.packed_folder = named          ? std::filesystem::path(flags.packed_cache)
                          : home.empty() ? home
                                         : home / "packed";
  options.make_packed = flags.packed_cache != "auto";
  return options;
}

std::vector<std::string> weight_forms() {
  std::vector<std::string> names{std::string(form_name(std::nullopt))};
  for (const Quantisation& form : kQuantisations) names.emplace_back(form.name);
  return names;
}

kernels::Compute compute_of(const LoadFlags& flags) {
  if (!flags.compute.empty()) return kComputes.at(flags.compute);
  return usual_compute(flags.weights != "native");
}

kernels::KvType kv_type_of(const LoadFlags& flags) {
  using kernels::KvType;
  if (flags.cache_type == "f32") return KvType::f32;
  if (flags.cache_type == "bf16") return KvType::bf16;
  if (flags.cache_type == "q8") return KvType::q8;
  return usual_kv_type(compute_of(flags));
}

std::filesystem::path cache_folder() {
  // A relative path in XDG_CACHE_HOME is to be ignored, says the specification.
  if (const char* set = std::getenv("XDG_CACHE_HOME"); set != nullptr && *set == '/')
    return std::filesystem::path(set) / "moe";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::filesystem::path(home) / ".cache" / "moe";
  return {};
}

}  // namespace moe::tools
