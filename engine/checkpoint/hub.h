// Finds a model by path, or by name in the Hugging Face cache. Nothing is ever downloaded.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace moe {

// The environment variables that say where the cache is.
struct HubEnvironment {
  std::optional<std::string> hf_hub_cache;    // HF_HUB_CACHE: the cache itself
  std::optional<std::string> hf_home;         // HF_HOME: the cache is its "hub"
  std::optional<std::string> xdg_cache_home;  // XDG_CACHE_HOME, else HOME/.cache: "huggingface/hub" below it
  std::optional<std::string> home;            // HOME

  static HubEnvironment of_process();
};

// The directory of a model: `name_or_path` itself if it is a directory, else the snapshot of
// "org/name[@revision]" in the caches above, looked through in that order. A revision is a branch, a tag or a
// commit; without one it is "main", or the only snapshot there is. Errors: usage for a name that cannot be
// one or a path that is a file; io where nothing is found, which lists the places that were looked at.
std::filesystem::path resolve_model(std::string_view name_or_path,
                                    const HubEnvironment& environment = HubEnvironment::of_process());

}  // namespace moe
