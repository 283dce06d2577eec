// What every program's main does: describe flags, parse, run, turn errors into one line and an exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>

namespace moe::tools {

// The exit codes that all programs share.
inline constexpr int kDone = 0;
inline constexpr int kFailure = 1;        // one line on stderr says why
inline constexpr int kUsage = 2;          // the command line makes no sense
inline constexpr int kInterrupted = 130;  // stopped by Ctrl-C or a termination signal

struct Program {
  std::string name;      // as the user types it: "moe-convert"
  std::string purpose;   // one paragraph at the head of --help
  std::string examples;  // text at the foot of --help: examples, formats, exit codes
};

// Of an option that names a file: an empty name (a variable that is not set) is not a flag that was not given.
inline const CLI::Validator kNamed([](const std::string& name) { return name.empty() ? std::string("expected a name, found nothing") : std::string(); }, "");

// Parses the command line and runs the program; returns its exit code. `describe` adds flags and subcommands;
// `run` does the work and returns an exit code. --help and --version go to stdout and give 0. A usage fault
// (from the parser, or an Error of kind usage) gives 2, any other exception 1, an Error after an interruption 130;
// each prints "NAME: error: ..." as one line on stderr. What was written to stdout is flushed at the end; if that fails (a full disk), the
// code becomes 1.
int run_program(const Program& program, int argc, const char* const* argv,
                const std::function<void(CLI::App&)>& describe, const std::function<int(CLI::App&)>& run);

// The version of the whole project, such as "0.1.0".
std::string_view version();

// "NAME: error: message" and "NAME: warning: message" on stderr, as one line whatever bytes the message
// holds.
void print_error(std::string_view program, std::string_view message);
void print_warning(std::string_view program, std::string_view message);

}  // namespace moe::tools
