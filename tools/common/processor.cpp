#include "tools/common/processor.h"

#include <fstream>

namespace moe::tools {
namespace {

std::string read_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != line.npos) {
      std::string name = line.substr(colon + 2);
      std::erase(name, '"');
      return name;
    }
  }
  return "unknown";
}

}  // namespace

const std::string& processor_name() {
  static const std::string name = read_name();
  return name;
}

}  // namespace moe::tools
