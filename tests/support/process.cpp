#include "tests/support/process.h"

#include <sys/wait.h>

#include <cstdlib>

#include "tests/support/paths.h"

namespace moe::test {

ProgramResult run_in_shell(const TempDir& folder, const std::string& name, const std::string& arguments) {
  const std::string out = (folder / "stdout").string(), err = (folder / "stderr").string();
  const int status = std::system((program(name) + " " + arguments + " >" + out + " 2>" + err).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_all(out), read_all(err)};
}

}  // namespace moe::test
