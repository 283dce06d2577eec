// Flag parsing, the last catch, and the exit codes of every program.
#include "tools/common/program.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <new>
#include <sstream>

#include "engine/base/error.h"
#include "tools/common/help.h"
#include "tools/common/interrupt.h"
#include "tools/common/terminal.h"

namespace moe::tools {
namespace {

void print_tagged(std::string_view program, std::string_view tag, std::string_view color,
                  std::string_view message) {
  std::string line(program);
  line += ": ";
  const bool colored = use_color(stderr);
  if (colored) line += color;
  line += tag;
  if (colored) line += "\x1b[0m";
  line += ": ";
  for (const char c : message) {
    // A newline inside an exception's text must not make two lines of one error.
    line += (c == '\n' || c == '\r') ? ' ' : c;
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

// Help text may have many lines; everything else the parser says becomes one.
int report_parse(const Program& program, const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    std::ostringstream text;
    std::ostringstream unused;
    app.exit(error, text, unused);
    std::cout << text.str();
    return kDone;
  }
  const std::string why = Error(ErrorKind::usage, error.what()).what();
  print_error(program.name, why + " (" + program.name + " --help says what it takes)");
  return kUsage;
}

bool flush_stdout() {
  std::cout.flush();
  return std::cout.good() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

}  // namespace

std::string_view version() { return MOE_VERSION; }

void print_error(std::string_view program, std::string_view message) {
  print_tagged(program, "error", "\x1b[31m", message);
}

void print_warning(std::string_view program, std::string_view message) {
  print_tagged(program, "warning", "\x1b[33m", message);
}

int run_program(const Program& program, int argc, const char* const* argv,
                const std::function<void(CLI::App&)>& describe, const std::function<int(CLI::App&)>& run) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its write, told as any other
  int code = kDone;
  bool parsed = true;
  try {
    CLI::App app(program.purpose, program.name);
    app.footer(program.examples);
    app.set_version_flag("--version", program.name + " " + std::string(version()));
    app.formatter(std::make_shared<HelpFormatter>());
    describe(app);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      parsed = false;
      code = report_parse(program, app, error);
    }
    if (parsed) code = run(app);
  } catch (const Error& error) {
    print_error(program.name, error.what());
    code = interrupted() ? kInterrupted : error.kind() == ErrorKind::usage ? kUsage : kFailure;
  } catch (const std::bad_alloc&) {
    print_error(program.name, "out of memory");
    code = kFailure;
  } catch (const std::exception& error) {
    print_error(program.name, error.what());
    code = kFailure;
  }
  errno = 0;
  if (!flush_stdout() && code == kDone) {
    const std::string why = errno != 0 ? std::strerror(errno) : "a write failed";
    print_error(program.name, "standard output: expected to write all of it, found " + why);
    code = kFailure;
  }
  return code;
}

}  // namespace moe::tools
