// moe-eval: benchmarks of language models on the CPU, with what each answer cost.
#include <string>
#include <vector>

#include "tools/common/program.h"
#include "tools/moe_eval/commands.h"
#include "tools/moe_eval/grade.h"

namespace {

// Long flags may be written with '-' or '_', as lm_eval's users are used to.
std::vector<std::string> with_dashes(int argc, char** argv) {
  std::vector<std::string> out(argv, argv + argc);
  for (std::size_t i = 1; i < out.size() && out[i] != "--"; ++i) {
    if (out[i].rfind("--", 0) != 0) continue;
    for (std::size_t c = 2; c < out[i].size() && out[i][c] != '='; ++c) {
      if (out[i][c] == '_') out[i][c] = '-';
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace moe::tools;
  const std::vector<std::string> arguments = with_dashes(argc, argv);
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  const Program program{
      "moe-eval",
      "Asks a language model the questions of a benchmark, on the CPU, and says how many it got right, with an\n"
      "interval, what was cut off or could not be read, and the exact cost of each answer.",
      "Examples:\n"
      "  moe-eval ls\n"
      "  moe-eval run -m ./model --tasks arc_challenge --limit 100 --data ./data -o ./out\n"
      "  moe-eval run -m org/name --tasks gsm8k --strategy zero_shot,cot --data ./data -o ./out\n"
      "  moe-eval validate --tasks gsm8k:few_shot_cot --data ./data\n\n"
      "Exit codes: 0 complete, 1 failure, 2 usage, 3 finished but items failed or could not be scored,\n"
      "130 interrupted (run the same command again: it finishes what is missing)."};
  std::vector<Command> commands;
  return run_program(
      program, static_cast<int>(pointers.size()), pointers.data(),
      [&](CLI::App& app) {
        app.require_subcommand(1);
        commands.push_back(add_run_command(app));
        commands.push_back(add_list_command(app));
        commands.push_back(add_validate_command(app));
        commands.push_back(add_grade_command(app));
      },
      [&](CLI::App&) {
        for (const Command& command : commands) {
          if (command.app->parsed()) return command.run();
        }
        return kUsage;
      });
}
