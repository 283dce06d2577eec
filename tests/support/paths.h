// Where tests find their files.
#pragma once

#include <filesystem>
#include <string>

namespace moe::test {

// A file or folder checked in under tests/.
std::filesystem::path fixture(const std::filesystem::path& relative);

// A program that was built beside the tests: program("moe-run").
std::string program(const std::string& name);

// The large public data: MOE_SHARED_DATA, or ../shared/data beside the repository. May not exist: skip the test then.
std::filesystem::path shared_data();

}  // namespace moe::test
