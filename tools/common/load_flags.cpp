#include "tools/common/load_flags.h"

#include <cstdlib>

#include "engine/base/error.h"

namespace moe::tools {

void add_load_flags(CLI::App& app, LoadFlags& flags) {
  auto* group = app.add_option_group("Weights");
  group
      ->add_option("--weights", flags.weights,
                   "Form in memory: as the checkpoint stores them, or matrices quantised at load in groups "
                   "of 32 (the head too; not routers, "
                   "norms, embeddings)")
      ->check(CLI::IsMember({"native", "q8", "q4"}))
      ->capture_default_str();
  group
      ->add_option("--compute", flags.compute,
                   "Arithmetic of the matrix products (default: f32 for native weights, int8 for q8 and q4)")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
  group
      ->add_option("--cache-type", flags.cache_type,
                   "What keys and values are kept as; auto: f32 where products compute in f32, else bf16")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "q8"}))
      ->capture_default_str();
  group
      ->add_option("--packed-cache", flags.packed_cache,
                   "Packed weights on disk, for a start without reading the checkpoint: auto (use one made "
                   "before), on (make it too), off, or "
                   "the folder to keep them in (makes them; else ~/.cache/moe/packed)")
      ->capture_default_str();
  group
      ->add_option("--mmap", flags.mmap,
                   "off: all weights in memory. on: as they lie in a mapped file, the packed one or else the "
                   "checkpoint, whose weights are then "
                   "packed again in every step. auto: in the packed file if there is one, else in memory, "
                   "else (where they do not fit) in the checkpoint")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  group->add_flag("--check-weights", flags.check_weights,
                  "Compare packed weights with their checksums before use");
}

void add_rope_length_flag(CLI::App& app, std::int32_t& tokens) {
  app.add_option("--rope-length", tokens,
                 "Where the rotation depends on a sequence's length (LongRoPE, dynamic NTK), treat it as at "
                 "least N tokens from its start on, so that it never has to be computed again")
      ->check(CLI::PositiveNumber);
}

LoadOptions load_options(const LoadFlags& flags) {
  LoadOptions options;
  options.quantise = quantised_type(flags.weights);
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

std::optional<kernels::WeightType> quantised_type(std::string_view weights) {
  if (weights == "q8") return kernels::WeightType::q8;
  if (weights == "q4") return kernels::WeightType::q4;
  return std::nullopt;
}

kernels::Compute compute_of(const LoadFlags& flags) {
  if (!flags.compute.empty()) return kComputes.at(flags.compute);
  return flags.weights == "native" ? kernels::Compute::f32 : kernels::Compute::int8;
}

kernels::KvType kv_type_of(const LoadFlags& flags) {
  using kernels::KvType;
  if (flags.cache_type == "f32") return KvType::f32;
  if (flags.cache_type == "bf16") return KvType::bf16;
  if (flags.cache_type == "q8") return KvType::q8;
  return compute_of(flags) == kernels::Compute::f32 ? KvType::f32 : KvType::bf16;
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
