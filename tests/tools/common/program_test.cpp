// Exit codes and error lines that every program shares.
#include "tools/common/program.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <new>
#include <vector>

#include "engine/base/error.h"
#include "tools/common/interrupt.h"

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

TEST(RunProgram, HelpIsReadable) {
  const char* const args[] = {"moe-sample", "--help"};
  int number = 7;
  std::string type, file;
  bool on = false;
  testing::internal::CaptureStdout();
  run_program(
      kProgram, 2, args,
      [&](CLI::App& app) {
        app.add_option("-n,--number", number, "A number")->check(CLI::Range(1, 99))->capture_default_str();
        app.add_option("IN", file, "What to read")->required();
        auto* group = app.add_option_group("Types (one of them)");
        group->add_option("--type", type, "A long description that goes on and on until the line is full of it, and further on the next")
            ->check(CLI::IsMember({"f32", "bf16"}));
        group->add_flag("--on", on, "A flag");
        group->require_option(0, 1);
      },
      [](CLI::App&) { return 0; });
  EXPECT_EQ(testing::internal::GetCapturedStdout(), R"(Does nothing, for tests.
Usage: moe-sample [OPTIONS] IN

Arguments:
  IN                            What to read

Options:
  -h, --help                    Print this help message and exit
  --version                     Display program version information and exit
  -n, --number N                A number [7]

Types (one of them):
  --type f32|bf16               A long description that goes on and on until the line is full of it, and further
                                on the next
  --on                          A flag

Examples:
  moe-sample --number 3

)");
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

TEST(RunProgram, WorkThatWasInterruptedGives130) {
  const auto interrupted_run = [] {
    catch_interrupts();
    std::raise(SIGINT);
    const char* const args[] = {"moe-sample"};
    std::exit(run_program(
        kProgram, 1, args, [](CLI::App&) {},
        [](CLI::App&) {
          stop_if_interrupted("counting");
          return 0;
        }));
  };
  EXPECT_EXIT(interrupted_run(), testing::ExitedWithCode(130), "^moe-sample: error: interrupted while counting\n$");
}

}  // namespace
}  // namespace moe::tools
