// A program of the project run from outside, through the shell.
#pragma once

#include <string>

#include "tests/support/temp_dir.h"

namespace moe::test {

struct ProgramResult {
  int code = -1;  // exit code; -1: it did not exit by itself
  std::string out, err;
};

// Runs program NAME with `arguments` (the shell's) in this process's working directory; its streams are
// caught in files below `folder`.
ProgramResult run_in_shell(const TempDir& folder, const std::string& name, const std::string& arguments);

}  // namespace moe::test
