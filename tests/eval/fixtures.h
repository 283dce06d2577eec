// What the tests of eval share: temporary directories, the public data, expectations of faults.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "engine/base/error.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace moe::eval::testing {

using test::read_all;
using test::TempDir;

// The large public data; empty where there is none.
inline std::string shared_data() {
  const std::filesystem::path data = test::shared_data();
  return std::filesystem::exists(data) ? data.string() : "";
}

#define SKIP_WITHOUT_SHARED_DATA() \
  if (::moe::eval::testing::shared_data().empty()) GTEST_SKIP() << "set MOE_SHARED_DATA to the public data sets"

// The message of the Error that `work` must throw.
template <typename Work>
std::string fault_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected an Error";
  return "";
}

}  // namespace moe::eval::testing
