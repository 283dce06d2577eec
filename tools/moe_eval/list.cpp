// moe-eval ls: what can be run.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "engine/base/error.h"
#include "eval/extract/extractor.h"
#include "tools/common/program.h"
#include "tools/moe_eval/commands.h"
#include "tools/moe_eval/selection.h"

namespace moe::tools {

using namespace moe::eval;

void add_selection_flags(CLI::App& app, Selection& s) {
  app.add_option("--tasks", s.tasks, "Tasks, separated by commas: NAME, or NAME:STRATEGY (see 'moe-eval ls')")->type_name("NAMES")->delimiter(',');
  app.add_option("--strategy,--strategies", s.strategies, "Prompting strategies for the tasks named without one (default: each task's own)")->type_name("NAMES")
      ->delimiter(',');
  app.add_option("--include", s.include, "Directory of further task files; may be given again")->type_name("DIR")->allow_extra_args(false);
  app.add_option("--data", s.data, "Directory of benchmark files, or several separated by ':'; MOE_DATA is searched after it")->type_name("DIRS");
}

std::vector<std::pair<const Task*, const Strategy*>> choose(const TaskRegistry& registry, const Selection& selection) {
  std::vector<std::pair<const Task*, const Strategy*>> out;
  const auto add = [&](const Task& task, const std::string& strategy) {
    const std::pair<const Task*, const Strategy*> one{&task, &task.strategy(strategy)};
    if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
  };
  for (const std::string& name : selection.tasks) {
    if (const std::size_t colon = name.find(':'); colon != std::string::npos) {
      add(registry.find(name.substr(0, colon)), name.substr(colon + 1));
      continue;
    }
    const Task& task = registry.find(name);
    for (const std::string& strategy : selection.strategies) add(task, strategy);
    if (selection.strategies.empty()) add(task, task.default_strategy);
  }
  return out;
}

Command add_list_command(CLI::App& app) {
  auto selection = std::make_shared<Selection>();
  CLI::App* sub = app.add_subcommand("ls", "List tasks, their strategies and the extractor chains");
  sub->add_option("--include", selection->include, "Directory of further task files")->type_name("DIR")->allow_extra_args(false);
  return {sub, [selection] {
            const TaskRegistry registry(selection->include);
            for (const Task& task : registry.tasks()) {
              fmt::print("{}  (version {}; {})\n", task.name, task.version, task.title);
              for (const Strategy& s : task.strategies) {
                fmt::print("    {:<14}{} {}\n", s.name, s.name == task.default_strategy ? "*" : " ", s.note);
              }
            }
            fmt::print("\n* runs when no --strategy is given. Results of a strategy other than lm_eval are named TASK__STRATEGY.\n");
            fmt::print("\nExtractor chains:\n");
            for (const Chain& chain : extractor_chains()) fmt::print("    {:<18}{}\n", chain.name, chain.summary);
            return kDone;
          }};
}

}  // namespace moe::tools
