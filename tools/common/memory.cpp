#include "tools/common/memory.h"

#include <cstdio>
#include <cstring>

namespace moe::tools {
namespace {

// A line such as "VmHWM:   123 kB" of /proc/self/status.
std::uint64_t status_kilobytes(const char* key) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  unsigned long long value = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, key, std::strlen(key)) == 0 && std::sscanf(line + std::strlen(key), ": %llu kB", &value) == 1) break;
  }
  std::fclose(file);
  return value;
}

}  // namespace

std::uint64_t resident_bytes() { return status_kilobytes("VmRSS") * 1024; }
std::uint64_t peak_resident_bytes() { return status_kilobytes("VmHWM") * 1024; }

}  // namespace moe::tools
