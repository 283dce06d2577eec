#include "engine/checkpoint/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "engine/base/atomic_file.h"
#include "engine/base/content_hash.h"
#include "engine/base/error.h"
#include "engine/base/files.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHashDigits = 32;

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
  const auto add = [&lines](const fs::path& path, const OpenedFile& file, const Hash128& hash) {
    lines.push_back(fmt::format("{} {} {} {} {}", hash.hex(), file.size, file.mtime_ns, file.ctime_ns,
                                path.filename().string()));
  };
  for (const fs::path& path : small_files(checkpoint)) {
    add(path, open_for_reading(path), content_hash_of_file(path));
  }
  for (const SafetensorsFile& file : checkpoint.files()) {
    // The file as it is now, which may no longer be the one that was opened.
    add(file.path(), open_for_reading(file.path()), content_hash(file.header()));
    file.drop(file.header());
  }
  std::sort(lines.begin(), lines.end());
  return hash_of(lines);
}

std::string kept_checkpoint_hash(const Checkpoint& checkpoint, const fs::path& folder, unsigned threads) {
  if (folder.empty()) return checkpoint_hash(checkpoint, threads);
  const std::string stamp = checkpoint_stamp(checkpoint);
  const fs::path file = folder / (stamp + ".hash");
  try {
    const std::string kept = read_file(file, kHashDigits);
    if (kept.size() == kHashDigits && kept.find_first_not_of("0123456789abcdef") == kept.npos) return kept;
  } catch (const Error&) {
    // Not there, or not such a file: it is made again.
  }
  const std::string hash = checkpoint_hash(checkpoint, threads);
  if (checkpoint_stamp(checkpoint) != stamp) return hash;  // it changed while it was read
  try {
    std::error_code ignored;
    fs::create_directories(folder, ignored);
    write_file_atomically(file, hash);
  } catch (const Error&) {
    // A folder that cannot be written costs time at the next start, no more.
  }
  return hash;
}

}  // namespace moe
