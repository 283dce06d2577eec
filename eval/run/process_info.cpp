// What the system tells about this process and its machine.
#include <fstream>
#include <string>

#include "eval/run/backend.h"

namespace moe::eval {
namespace {

// The text behind "key :" of a file of such lines; empty where there is none.
std::string line_value(const char* path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(key, 0) != 0) continue;
    const std::size_t colon = line.find(':');
    const std::size_t from = colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    return from == std::string::npos ? "" : line.substr(from);
  }
  return "";
}

std::uint64_t kib_value(const char* path, const std::string& key) {
  std::uint64_t kib = 0;
  for (const char c : line_value(path, key)) {
    if (c < '0' || c > '9') break;
    kib = kib * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return kib * 1024;
}

}  // namespace

std::uint64_t resident_bytes() { return kib_value("/proc/self/status", "VmRSS"); }
std::uint64_t peak_resident_bytes() { return kib_value("/proc/self/status", "VmHWM"); }
std::string machine_name() { return line_value("/proc/cpuinfo", "model name"); }

}  // namespace moe::eval
