#include "engine/base/memory.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

namespace moe {
namespace {

namespace fs = std::filesystem;

// Files below /proc and /sys have no size that could be asked for.
std::string read_small(const fs::path& path) {
  std::string text(16384, '\0');
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return {};
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

std::optional<std::uint64_t> number_at(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data() + first, text.data() + text.size(), value);
  if (failed != std::errc() || end == text.data() + first) return std::nullopt;
  return value;
}

// The number behind `key` at the start of a line.
std::optional<std::uint64_t> field(std::string_view text, std::string_view key) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(key)) return number_at(line.substr(key.size()));
    at = end + 1;
  }
  return std::nullopt;
}

// Left in the control group `folder` and those above it; page cache that nothing uses now counts as left.
std::optional<std::uint64_t> left_in_group(fs::path folder, const fs::path& root) {
  std::optional<std::uint64_t> left;
  for (;; folder = folder.parent_path()) {
    const auto limit = number_at(read_small(folder / "memory.max")),
               used = number_at(read_small(folder / "memory.current"));
    if (limit && used) {
      const std::uint64_t cache = field(read_small(folder / "memory.stat"), "inactive_file ").value_or(0);
      const std::uint64_t held = *used - std::min(*used, cache);
      const std::uint64_t here = *limit - std::min(*limit, held);
      left = left ? std::min(*left, here) : here;
    }
    if (folder == root || !folder.has_relative_path()) return left;
  }
}

}  // namespace

std::optional<std::uint64_t> available_memory() {
  std::optional<std::uint64_t> left;
  if (const auto kilobytes = field(read_small("/proc/meminfo"), "MemAvailable:")) left = *kilobytes * 1024;
  const std::string groups = read_small("/proc/self/cgroup");  // "0::/path" for version 2
  const std::size_t at = groups.find("0::/");
  if (at == groups.npos) return left;
  const std::string path = groups.substr(at + 4, groups.find('\n', at) - at - 4);
  const fs::path root = "/sys/fs/cgroup";
  const auto group = left_in_group(path.empty() ? root : root / path, root);
  return left && group ? std::min(*left, *group) : left ? left : group;
}

}  // namespace moe
