// moe-bench: how fast a model runs here, beside what the machine could do at most.
#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "kernels/thread_team.h"
#include "tools/common/interrupt.h"
#include "tools/common/load_flags.h"
#include "tools/common/program.h"
#include "tools/moe_bench/report.h"
#include "tools/moe_bench/runner.h"

namespace moe::tools {
namespace {

void describe_flags(CLI::App& app, BenchOptions& o) {
  const CLI::Range counts(0, 1 << 24);
  app.add_option(
         "-m,--model", o.models,
         "Model directory, org/name in the Hugging Face cache, or any config.json; separated by commas")->type_name("MODEL")
      ->required()
      ->delimiter(',');
  app.add_option("--layers", o.layers, "The first N layers only")->check(CLI::Range(1, 1 << 16));
  app.add_flag("--random", o.random,
               "Make the weights up even where there are some; a lone config.json always has made-up ones");
  app.add_option("--seed", o.seed, "Of the made-up weights")->capture_default_str();
  auto* tests = app.add_option_group("Tests (lists are separated by commas)");
  tests->add_option("-p,--n-prompt", o.prompts, "Prompt tokens to read (pp); 0: no such test")
      ->delimiter(',')
      ->check(counts)
      ->capture_default_str();
  tests->add_option("-n,--n-gen", o.generated, "Tokens to write one by one (tg); 0: no such test")
      ->delimiter(',')
      ->check(counts)
      ->capture_default_str();
  tests
      ->add_option("--pg", o.prompt_and_generated, "P,N: read P, then write N; may be given again (also -pg)")->type_name("P,N")
      ->allow_extra_args(false);
  tests->add_option("-d,--n-depth", o.depths, "Tokens that a sequence holds before")
      ->delimiter(',')
      ->check(counts)
      ->capture_default_str();
  tests->add_option("-b,--batch", o.batches, "Sequences side by side; t/s counts all of them")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  tests->add_flag("--shared-prefix", o.shared_prefix,
                  "Sequences side by side share the tokens of their depth");
  tests->add_option("--chunk", o.chunk, "Prompt tokens a forward pass takes")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_flag("--fast-prefill", o.fast_prefill,
               "Leave out what no wanted logits need of the last layer's rows, as llama.cpp does; costs count what is left");
  app.add_option("-t,--threads", o.threads, "Threads (default: the physical cores this process may use)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  app.add_option("--weights", o.weights, "Forms of the weights in memory")
      ->delimiter(',')
      ->check(CLI::IsMember(weight_forms()))
      ->capture_default_str();
  app.add_option(
         "--compute", o.computes,
         "Arithmetic of the matrix products: f32, bf16, int8 (default: f32 for native weights, int8 for q8 "
         "and q4); keys and values are kept in f32 beside f32, else in bf16")
      ->delimiter(',')
      ->transform(CLI::CheckedTransformer(kComputes))
      ->transform(CLI::IsMember({"f32", "bf16", "int8"}));  // comes first: its message names them
  app.add_option("-r,--repetitions", o.repetitions, "Times each test is run")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_flag("--no-warmup{false}", o.warm_up, "Leave out the run before the first that counts");
  app.add_option("-o,--output", o.output, "Format of standard output")
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl"}))
      ->capture_default_str();
  app.add_flag("--breakdown", o.breakdown, "With md: where the time went, by component");
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int run(BenchOptions& o) {
  if (o.threads.empty()) o.threads = {kernels::default_thread_count()};
  catch_interrupts();
  const ReportFormat format = report_format(o.output);
  std::string notes;
  bool first = true;
  run_bench(o, [&](std::span<const BenchResult> results) {
    for (const BenchResult& result : results) {
      print(first ? format.head : format.between);
      first = false;
      print(format.line(result));
    }
    std::fflush(stdout);
    if (o.output != "md" || results.empty()) return;
    notes += limits_text(results.front());
    if (o.breakdown) notes += breakdown_text(results);
  });
  // Nothing at all where the user stopped before the first result.
  if (!first) print(format.foot + notes);
  return interrupted() ? kInterrupted : kDone;
}

}  // namespace
}  // namespace moe::tools

int main(int argc, char** argv) {
  // llama-bench's users write -pg, which would be two short flags here.
  std::vector<const char*> arguments(argv, argv + argc);
  for (const char*& argument : arguments) {
    if (std::string_view(argument) == "-pg") argument = "--pg";
  }
  moe::tools::BenchOptions options;
  const moe::tools::Program program{
      "moe-bench",
      "Times a model on this machine: reading prompts, writing tokens, both, at any depth, for several "
      "sequences side by\n"
      "side. Each figure stands beside the fractions of the limits measured in the same process: arithmetic "
      "(of the type\n"
      "that --compute names; attention over keys and the head are left out of it) and reading memory "
      "(weights and cache).",
      "Examples:\n"
      "  moe-bench -m ./model\n"
      "  moe-bench -m ./Qwen3-30B-A3B/config.json --layers 4 -t 1,2 -p 512 -n 64 --breakdown\n"
      "  moe-bench -m org/name -p 0 -n 128 -d 0,4096 -b 1,32 -o json\n\n"
      "Environment: MOE_KERNELS=scalar|avx2|... forces a kernel path.\n"
      "Exit codes: 0 done, 1 failure, 2 usage, 130 interrupted (complete groups of results are printed)."};
  return moe::tools::run_program(
      program, argc, arguments.data(), [&](CLI::App& app) { moe::tools::describe_flags(app, options); },
      [&](CLI::App&) { return moe::tools::run(options); });
}
