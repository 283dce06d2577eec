#include "engine/checkpoint/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "engine/base/content_hash.h"
#include "engine/base/files.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

// config.json and the index, where they exist: the files beside the weights that say what the weights mean.
std::vector<fs::path> small_files(const Checkpoint& checkpoint) {
  std::vector<fs::path> out;
  std::error_code ignored;
  const fs::path config = checkpoint.directory() / "config.json";
  if (fs::exists(config, ignored)) out.push_back(config);
  if (!checkpoint.index().empty()) out.push_back(checkpoint.index());
  return out;
}

std::string hash_of(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return content_hash(std::as_bytes(std::span(all))).hex();
}

}  // namespace

std::string checkpoint_hash(const Checkpoint& checkpoint, unsigned threads) {
  std::vector<fs::path> paths = small_files(checkpoint);
  for (const SafetensorsFile& file : checkpoint.files()) paths.push_back(file.path());
  std::vector<std::string> lines;
  for (const fs::path& path : paths) {
    lines.push_back(
        fmt::format("{} {}", content_hash_of_file(path, threads).hex(), path.filename().string()));
  }
  std::sort(lines.begin(), lines.end());
  return hash_of(lines);
}

std::string checkpoint_stamp(const Checkpoint& checkpoint) {
  std::vector<std::string> lines;
  const auto add = [&lines](const fs::path& path, std::uint64_t size, std::int64_t mtime_ns,
                            const Hash128& hash) {
    lines.push_back(fmt::format("{} {} {} {}", hash.hex(), size, mtime_ns, path.filename().string()));
  };
  for (const fs::path& path : small_files(checkpoint)) {
    const OpenedFile file = open_for_reading(path);
    add(path, file.size, file.mtime_ns, content_hash_of_file(path));
  }
  for (const SafetensorsFile& file : checkpoint.files()) {
    // The file as it is now, which may no longer be the one that was opened.
    const OpenedFile now = open_for_reading(file.path());
    add(file.path(), now.size, now.mtime_ns, content_hash(file.header()));
  }
  std::sort(lines.begin(), lines.end());
  return hash_of(lines);
}

}  // namespace moe
