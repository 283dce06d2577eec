// The flags of `moe-eval run`, from the command line and from a file.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/run/engine_backend.h"
#include "eval/run/runner.h"
#include "tools/common/load_flags.h"
#include "tools/common/router_flags.h"
#include "tools/moe_eval/selection.h"

namespace moe::tools {

struct RunFlags {
  std::string sweep;
  std::vector<std::string> models;
  Selection selection;
  eval::RunOptions run;
  eval::EngineOptions engine;
  std::string output = "moe-eval-results", kv_memory;
  std::vector<std::string> items;
  std::size_t limit = 0;
  RoutingStatsFlags routing_stats;
  // Axes of a sweep; "own": as the strategy or the model has it.
  std::vector<std::string> max_tokens, experts_per_token, renormalise;
  LoadAxes load;
  bool latency = false, no_share = false;
  bool chat = false, no_chat = false;

  // What the axes come to; filled in by settle().
  std::vector<std::optional<int>> caps;
  std::vector<eval::RouterSetting> routers;
  std::vector<LoadFlags> forms;
};

void add_run_flags(CLI::App& app, RunFlags& flags);

// Gives flags that the command line leaves out the values of a JSON file: an object whose keys are long flags
// without their dashes ('-' and '_' alike), with strings, numbers, booleans, or arrays of them. Throws Error
// naming file and key.
void read_flag_file(CLI::App& app, const std::string& path);

// Checks what flags say together and fills in what follows from them. Throws Error (usage).
void settle(RunFlags& flags, const eval::TaskRegistry& registry);

}  // namespace moe::tools
