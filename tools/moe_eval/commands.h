// The subcommands of moe-eval. Each adds its flags to the parser and leaves behind what to call if it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace moe::tools {

struct Command {
  CLI::App* app = nullptr;
  std::function<int()> run;  // returns an exit code
};

inline constexpr int kUnscored = 3;  // finished, but items failed or could not be scored

Command add_run_command(CLI::App& app);
Command add_list_command(CLI::App& app);
Command add_validate_command(CLI::App& app);

}  // namespace moe::tools
