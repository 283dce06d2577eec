// Exit codes and error lines that every program shares.
#include "tools/common/program.h"

#include <gtest/gtest.h>

#include <new>
#include <vector>

#include "engine/base/error.h"

namespace moe::tools {
namespace {

const Program kProgram{"moe-sample", "Does nothing, for tests.", "Examples:\n  moe-sample --number 3\n"};

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

Outcome run_with(std::vector<const char*> args, const std::function<int(CLI::App&)>& run) {
  args.insert(args.begin(), "moe-sample");
  int number = 0;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = run_program(
      kProgram, static_cast<int>(args.size()), args.data(),
      [&](CLI::App& app) { app.add_option("--number", number, "A number"); }, run);
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(RunProgram, ReturnsWhatTheBodyReturns) {
  EXPECT_EQ(run_with({}, [](CLI::App&) { return 0; }).code, 0);
  EXPECT_EQ(run_with({"--number", "4"}, [](CLI::App&) { return 3; }).code, 3);
}

TEST(RunProgram, HelpGoesToStdoutAndTeaches) {
  const Outcome help = run_with({"--help"}, [](CLI::App&) { return 9; });
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("Does nothing, for tests."), std::string::npos);
  EXPECT_NE(help.out.find("moe-sample --number 3"), std::string::npos);
  EXPECT_EQ(help.err, "");
}

TEST(RunProgram, VersionNamesTheProgram) {
  const Outcome outcome = run_with({"--version"}, [](CLI::App&) { return 9; });
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "moe-sample " + std::string(version()) + "\n");
}

TEST(RunProgram, UsageFaultsGiveTwo) {
  for (const std::vector<const char*>& args :
       {std::vector<const char*>{"--nonsense"}, {"--number", "four"}, {"--number"}, {"stray"}}) {
    const Outcome outcome = run_with(args, [](CLI::App&) { return 0; });
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.err.rfind("moe-sample: error: ", 0), 0u) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  const Outcome thrown = run_with({}, [](CLI::App&) -> int { throw Error(ErrorKind::usage, "two inputs"); });
  EXPECT_EQ(thrown.code, 2);
  EXPECT_EQ(thrown.err, "moe-sample: error: two inputs\n");
}

TEST(RunProgram, FailuresGiveOneLineAndOne) {
  const Outcome typed = run_with({}, [](CLI::App&) -> int {
    throw Error(ErrorKind::format, Fault{"a.gguf", "version", "2 or 3", "7"});
  });
  EXPECT_EQ(typed.code, 1);
  EXPECT_EQ(typed.err, "moe-sample: error: a.gguf: version: expected 2 or 3, found 7\n");
  const Outcome other = run_with({}, [](CLI::App&) -> int { throw std::runtime_error("two\nlines"); });
  EXPECT_EQ(other.code, 1);
  EXPECT_EQ(other.err, "moe-sample: error: two lines\n");
  const Outcome memory = run_with({}, [](CLI::App&) -> int { throw std::bad_alloc(); });
  EXPECT_EQ(memory.code, 1);
  EXPECT_EQ(memory.err, "moe-sample: error: out of memory\n");
}

}  // namespace
}  // namespace moe::tools
