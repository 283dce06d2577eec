#include "tests/support/paths.h"

#include <cstdlib>

namespace moe::test {

std::filesystem::path fixture(const std::filesystem::path& relative) {
  return std::filesystem::path(MOE_TEST_SOURCE_DIR) / relative;
}

std::string program(const std::string& name) { return std::string(MOE_TEST_BIN_DIR) + "/" + name; }

std::filesystem::path shared_data() {
  if (const char* set = std::getenv("MOE_SHARED_DATA"); set != nullptr && *set != '\0') return set;
  return std::filesystem::path(MOE_TEST_SOURCE_DIR) / "../../shared/data";
}

}  // namespace moe::test
