#include "engine/checkpoint/hub.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/files.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestReference = 256;

struct ModelName {
  std::string folder;    // models--org--name
  std::string revision;  // empty: none was asked for
};

bool is_name_part(std::string_view part) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  };
  return !part.empty() && part.find("..") == part.npos && part != "." &&
         std::all_of(part.begin(), part.end(), allowed);
}

// A branch may hold slashes ("refs/pr/1"); every part of it must be a name.
bool is_revision(std::string_view revision) {
  for (;;) {
    const std::size_t slash = revision.find('/');
    if (!is_name_part(revision.substr(0, slash))) return false;
    if (slash == revision.npos) return true;
    revision.remove_prefix(slash + 1);
  }
}

std::optional<ModelName> parse_name(std::string_view text) {
  ModelName name;
  if (const std::size_t at = text.find('@'); at != text.npos) {
    name.revision = text.substr(at + 1);
    if (!is_revision(name.revision)) return std::nullopt;
    text = text.substr(0, at);
  }
  const std::size_t slash = text.find('/');
  const std::string_view first = text.substr(0, slash);
  if (!is_name_part(first)) return std::nullopt;
  name.folder = "models--" + std::string(first);
  if (slash != text.npos) {
    const std::string_view second = text.substr(slash + 1);
    if (!is_name_part(second)) return std::nullopt;
    name.folder += "--" + std::string(second);
  }
  return name;
}

std::vector<fs::path> caches(const HubEnvironment& environment) {
  const auto set = [](const std::optional<std::string>& value) { return value && !value->empty(); };
  std::vector<fs::path> out;
  if (set(environment.hf_hub_cache)) out.emplace_back(*environment.hf_hub_cache);
  if (set(environment.hf_home)) out.push_back(fs::path(*environment.hf_home) / "hub");
  if (set(environment.xdg_cache_home)) {
    out.push_back(fs::path(*environment.xdg_cache_home) / "huggingface" / "hub");
  } else if (set(environment.home)) {
    out.push_back(fs::path(*environment.home) / ".cache" / "huggingface" / "hub");
  }
  return out;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// The commit a reference file holds; empty if there is no such file.
std::string read_reference(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return "";
  std::string commit = read_file(path, kLongestReference);
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r' || commit.back() == ' '))
    commit.pop_back();
  if (!is_name_part(commit)) {
    throw Error(ErrorKind::format,
                Fault{path.string(), "reference", "the name of a commit", fmt::format("\"{}\"", commit)});
  }
  return commit;
}

std::vector<std::string> snapshots_of(const fs::path& repository) {
  std::vector<std::string> out;
  std::error_code failed;
  for (fs::directory_iterator it(repository / "snapshots", failed), end; !failed && it != end;
       it.increment(failed)) {
    if (is_folder(it->path())) out.push_back(it->path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The snapshot of a cached repository that the revision means; an empty path if it is not there.
fs::path find_snapshot(const fs::path& repository, const std::string& revision) {
  const std::string wanted = revision.empty() ? "main" : revision;
  const std::string commit = read_reference(repository / "refs" / wanted);
  for (const std::string& name : {commit, wanted}) {
    if (name.empty() || name.find('/') != name.npos) continue;
    if (is_folder(repository / "snapshots" / name)) return repository / "snapshots" / name;
  }
  if (!revision.empty()) return {};
  const std::vector<std::string> all = snapshots_of(repository);
  return all.size() == 1 ? repository / "snapshots" / all.front() : fs::path();
}

std::string list_of(const std::vector<std::string>& names) {
  return names.empty() ? "no snapshot" : fmt::format("snapshots {}", fmt::join(names, ", "));
}

}  // namespace

HubEnvironment HubEnvironment::of_process() {
  const auto variable = [](const char* name) -> std::optional<std::string> {
    const char* const value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    return value;
  };
  return {variable("HF_HUB_CACHE"), variable("HF_HOME"), variable("XDG_CACHE_HOME"), variable("HOME")};
}

fs::path resolve_model(std::string_view name_or_path, const HubEnvironment& environment) {
  const fs::path path(name_or_path);
  const std::string asked(name_or_path);
  if (is_folder(path)) return path;
  std::error_code ignored;
  if (fs::exists(path, ignored)) {
    const bool gguf = path.extension() == ".gguf";
    throw Error(ErrorKind::usage, Fault{asked, "model", "a directory with config.json and safetensors",
                                        gguf ? "a GGUF file: convert it with moe-convert" : "a file"});
  }
  const std::optional<ModelName> name = parse_name(name_or_path);
  if (!name) {
    throw Error(ErrorKind::usage,
                Fault{asked, "model", "a directory, or org/name[@revision] in the Hugging Face cache",
                      "no such directory"});
  }
  std::vector<std::string> looked{fmt::format("\"{}\"", asked)};
  std::string found = "none";
  for (const fs::path& cache : caches(environment)) {
    const fs::path repository = cache / name->folder;
    looked.push_back(fmt::format("\"{}\"", repository.string()));
    if (!is_folder(repository)) continue;
    const fs::path snapshot = find_snapshot(repository, name->revision);
    if (!snapshot.empty()) return snapshot;
    found = fmt::format("\"{}\" without revision \"{}\" ({})", repository.string(),
                        name->revision.empty() ? "main" : name->revision, list_of(snapshots_of(repository)));
  }
  throw Error(ErrorKind::io,
              Fault{asked, "model", fmt::format("a model in one of {}", fmt::join(looked, ", ")), found});
}

}  // namespace moe
