// Flags that say which tasks, on which data.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "eval/run/runner.h"

namespace moe::tools {

struct Selection {
  std::vector<std::string> tasks, strategies, include;
  std::string data;
};

void add_selection_flags(CLI::App& app, Selection& selection);

// The chosen tasks with their strategies: "task" under each of --strategy (or the task's own default), and
// "task:strategy" under that one. Throws Error (usage) for names that do not exist.
std::vector<std::pair<const eval::Task*, const eval::Strategy*>> choose(const eval::TaskRegistry& registry,
                                                                        const Selection& selection);

}  // namespace moe::tools
