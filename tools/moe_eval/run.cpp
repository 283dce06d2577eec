// moe-eval run: models x tasks x strategies through the engine into journals, tables and lm_eval's files.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "engine/base/error.h"
#include "engine/checkpoint/hub.h"
#include "eval/run/engine_backend.h"
#include "eval/run/results.h"
#include "eval/util/text_file.h"
#include "tools/common/interrupt.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/moe_eval/commands.h"
#include "tools/moe_eval/selection.h"
#include "tools/moe_eval/table.h"

namespace moe::tools {

using namespace moe::eval;

namespace {

struct RunFlags {
  std::vector<std::string> models;
  Selection selection;
  RunOptions run;
  std::string output = "moe-eval-results", items, compute = "f32", weights = "native";
  std::size_t limit = 0;
  int max_tokens = 0;
  EngineOptions engine;
  bool latency = false, no_share = false;
  bool chat = false, no_chat = false;
};

std::vector<std::size_t> read_items(const std::string& path) {
  const std::string text = read_text_file(path, std::size_t{64} << 20);
  std::vector<std::size_t> out;
  std::size_t number = 0;
  bool any = false;
  for (const char c : text + "\n") {
    if (c >= '0' && c <= '9' && number < 1'000'000'000) {
      number = number * 10 + static_cast<std::size_t>(c - '0');
      any = true;
    } else if (std::string_view(" \t\r\n,[]").find(c) != std::string_view::npos) {
      if (any) out.push_back(number);
      number = 0;
      any = false;
    } else {
      throw Error(ErrorKind::format, Fault{path, fmt::format("item {}", out.size() + 1), "numbers of documents, from 0",
                                           fmt::format("'{}'", c)});
    }
  }
  if (out.empty()) throw Error(ErrorKind::format, Fault{path, "", "at least one number", "none"});
  return out;
}

// The running state of one condition as a progress note.
std::string running_note(const Summary& s, std::uint64_t tokens_before) {
  std::string note;
  if (!s.tallies.empty() && s.tallies[0].scored > 0) {
    const Tally& first = s.tallies[0];
    const double n = static_cast<double>(first.scored), p = static_cast<double>(first.correct) / n;
    note = fmt::format("{} {:.1f} ± {:.1f} %", first.chain, 100 * p, 196 * std::sqrt(p * (1 - p) / n));
  }
  const std::uint64_t tokens = s.prompt_tokens + s.answer_tokens + s.thought_tokens;
  if (s.seconds > 0 && tokens > tokens_before) {
    note += fmt::format(", {:.0f} tokens/s", static_cast<double>(tokens - tokens_before) / s.seconds);
  }
  if (s.failed > 0) note += fmt::format(", {} failed", s.failed);
  return note;
}

FinishedCondition run_condition(const Condition& condition, Backend& backend, RunJournal& journal) {
  FinishedCondition finished;
  finished.condition = &condition;
  Progress bar(condition.label, condition.items.size());
  std::uint64_t tokens_before = 0;
  bool first = true;
  RunHooks hooks;
  hooks.interrupted = [] { return interrupted(); };
  hooks.progress = [&](const Summary& summary) {
    if (first) tokens_before = summary.prompt_tokens + summary.answer_tokens + summary.thought_tokens;
    if (first && summary.reused > 0) {
      fmt::print(stderr, "{}: {} of {} items stand in the journal already\n", condition.label, summary.reused, summary.items);
    }
    first = false;
    bar.update(summary.finished, running_note(summary, tokens_before));
  };
  finished.summary = eval::run(condition, backend, journal, hooks, finished.outcomes);
  if (!finished.summary.interrupted) bar.finish(running_note(finished.summary, tokens_before));
  return finished;
}

// A model that cannot be loaded leaves no empty journal behind, nor the folders made for it.
std::unique_ptr<Backend> open_or_clean_up(const std::string& model, const EngineOptions& options,
                                          const std::filesystem::path& journal) {
  try {
    return open_model(model, options);
  } catch (...) {
    std::error_code ignored;
    const std::filesystem::path folder = journal.parent_path();
    // Folders with anything in them stay: remove() takes empty ones only.
    if (std::filesystem::file_size(journal, ignored) == 0 && std::filesystem::remove(journal, ignored) &&
        std::filesystem::remove(folder, ignored)) {
      std::filesystem::remove(folder.parent_path(), ignored);
    }
    throw;
  }
}

int run_model(const std::string& model, const RunFlags& flags, const TaskRegistry& registry) {
  const auto start = std::chrono::steady_clock::now();
  ResultOptions results;
  results.started = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (flags.run.limit) results.limit = flags.run.limit;
  results.model_arguments = "pretrained=" + model;

  // What can be wrong without the model is found before it is loaded.
  const auto chosen = choose(registry, flags.selection);
  for (const auto& [task, strategy] : chosen) load_split(task->dataset, task->eval_split, flags.run.data);
  resolve_model(model);
  const std::string directory = model_directory(flags.output, model);
  prepare_directory(directory);
  RunJournal journal(directory + "/journal.jsonl", [](const std::string& text) { print_warning("moe-eval", text); });

  std::unique_ptr<Progress> loading;
  EngineOptions engine = flags.engine;
  engine.engine_version = std::string(version());
  engine.loading = [&](std::uint64_t done, std::uint64_t total) {
    if (!loading) loading = std::make_unique<Progress>("loading " + model, total, ProgressUnit::bytes);
    loading->update(done);
  };
  const std::unique_ptr<Backend> backend = open_or_clean_up(model, engine, journal.path());
  loading.reset();
  journal.check_model(backend->info());

  std::vector<std::unique_ptr<Condition>> conditions;
  std::vector<FinishedCondition> finished;
  for (const auto& [task, strategy] : chosen) {
    conditions.push_back(plan(*task, *strategy, flags.run, *backend));
    for (const std::string& warning : conditions.back()->data.warnings) print_warning("moe-eval", warning);
    finished.push_back(run_condition(*conditions.back(), *backend, journal));
    if (finished.back().summary.interrupted) break;
  }
  fmt::print("{} ({}, {} threads, {})\n{}", model, backend->info().kernels, backend->info().threads, backend->info().compute,
             result_table(finished));
  if (finished.back().summary.interrupted) {
    fmt::print(stderr, "moe-eval: interrupted; the same command goes on from {}\n", journal.path());
    return kInterrupted;
  }
  results.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("journal: {}\nresults: {}\n", journal.path(), write_results(directory, finished, backend->info(), results));
  for (const FinishedCondition& one : finished) {
    bool unscored = one.summary.failed > 0;
    for (const Tally& tally : one.summary.tallies) unscored = unscored || tally.undecided > 0;
    if (unscored) return kUnscored;
  }
  return kDone;
}

int run(RunFlags flags) {
  catch_interrupts();
  if (flags.models.empty()) throw Error(ErrorKind::usage, "no model: give -m DIRECTORY or -m org/name");
  if (flags.selection.tasks.empty()) throw Error(ErrorKind::usage, "no tasks: give --tasks NAME,... ('moe-eval ls' lists them)");
  if (flags.chat && flags.no_chat) throw Error(ErrorKind::usage, "--apply-chat-template and --no-chat-template exclude each other");
  if (flags.limit > 0) flags.run.limit = flags.limit;
  if (flags.max_tokens > 0) flags.run.max_tokens = flags.max_tokens;
  if (flags.latency) flags.engine.sequences = 1;
  if (flags.latency || flags.no_share) flags.engine.share_prefix = false;
  if (flags.chat) flags.run.prompt.chat = 1;
  if (flags.no_chat) flags.run.prompt.chat = 0;
  if (flags.run.repeats > 1 && flags.run.sampling.temperature <= 0) {
    throw Error(ErrorKind::usage, Fault{"", "--repeats", "--temp above 0 (greedy answers are all the same)",
                                        fmt::format("{} repeats at temperature 0", flags.run.repeats)});
  }
  if (!flags.items.empty()) flags.run.items = read_items(flags.items);
  flags.run.data = data_directories(flags.selection.data);
  const TaskRegistry registry(flags.selection.include);
  int code = kDone;
  for (const std::string& model : flags.models) {
    const int one = run_model(model, flags, registry);
    if (one == kInterrupted) return one;
    code = std::max(code, one);
  }
  return code;
}

}  // namespace

Command add_run_command(CLI::App& app) {
  auto f = std::make_shared<RunFlags>();
  CLI::App* sub = app.add_subcommand("run", "Run benchmarks; the same command again finishes what is missing");
  sub->add_option("-m,--model", f->models, "Model directory, or org/name in the Hugging Face cache; may be given again")
      ->required()->allow_extra_args(false);
  add_selection_flags(*sub, f->selection);
  sub->add_option("-o,--output-path", f->output, "Directory of journals and results; each model has a folder in it")->capture_default_str();
  sub->add_option("-L,--limit", f->limit, "Only the first so many items of each task")->check(CLI::PositiveNumber);
  sub->add_option("--items", f->items, "A file with the numbers of the items to run (from 0)");
  sub->add_option("-f,--num-fewshot", f->run.prompt.fewshot, "Worked examples in a prompt (default: as the strategy says)")
      ->check(CLI::Range(0, 1000));
  sub->add_option("--fewshot-seed", f->run.prompt.fewshot_seed, "Seed of drawn examples (lm_eval's default)")->capture_default_str();
  sub->add_option("--extractor", f->run.extractors, "Extractor chains in place of the strategy's, separated by commas")->delimiter(',');
  sub->add_option("--max-tokens,--max-gen-toks", f->max_tokens, "New tokens at most (default: as the strategy says)")->check(CLI::PositiveNumber);
  sub->add_flag("--apply-chat-template", f->chat, "Wrap every prompt in the model's chat template");
  sub->add_flag("--no-chat-template", f->no_chat, "Never use the chat template");
  sub->add_option("--system-instruction", f->run.prompt.system, "Text before the prompt, as the system's turn");
  sub->add_option("--temp", f->run.sampling.temperature, "Temperature; 0: greedy")->check(CLI::Range(0.0, 100.0))->capture_default_str();
  sub->add_option("--top-k", f->run.sampling.top_k, "Keep the k most likely tokens; 0: all")->check(CLI::Range(0, 1 << 30));
  sub->add_option("--top-p", f->run.sampling.top_p, "Keep the fewest tokens that hold this much probability")->check(CLI::Range(0.0, 1.0));
  sub->add_option("--min-p", f->run.sampling.min_p, "Drop tokens below this share of the likeliest one")->check(CLI::Range(0.0, 1.0));
  sub->add_option("--repeats", f->run.repeats, "Samples of each item (needs --temp)")->check(CLI::Range(1, 10000));
  sub->add_option("-s,--seed", f->run.seed, "Seed of draws and of the order of choices; recorded")->capture_default_str();
  sub->add_option("-c,--ctx-size", f->engine.context, "Tokens a sequence may hold (default: what the model was made for)")->check(CLI::PositiveNumber);
  sub->add_option("-t,--threads", f->engine.threads, "Threads (default: the physical cores this process may use)")->check(CLI::Range(1, 1024));
  sub->add_option("--batch-size", f->engine.sequences, "Items worked on at once; answers do not depend on it")
      ->check(CLI::Range(1, 4096))->capture_default_str();
  sub->add_flag("--latency", f->latency, "One item at a time and nothing shared, as latency is measured; recorded");
  sub->add_flag("--no-share-prefix", f->no_share, "Compute what all prompts begin with for each of them");
  sub->add_option("--chat-template", f->engine.chat_template, "Name or file of a chat template (default: the model's own)");
  sub->add_option("--chat-template-kwargs", f->engine.chat_kwargs, "JSON object of variables for the chat template");
  sub->add_option("--reasoning", f->engine.reasoning, "Whether the model thinks before it answers: on, off, or the template's default")
      ->check(CLI::IsMember({"auto", "on", "off"}))->capture_default_str();
  sub->add_option("--compute", f->compute, "Arithmetic of the matrix products")->check(CLI::IsMember({"f32"}))->capture_default_str();
  sub->add_option("--weights", f->weights, "Form of the weights in memory")->check(CLI::IsMember({"native"}))->capture_default_str();
  sub->footer("Every finished item is one line of OUTPUT/MODEL/journal.jsonl, flushed to disk; when all are done,\n"
              "results_*.json and samples_*.jsonl beside it have lm_eval's layout. Data files are never downloaded:\n"
              "a missing one is named together with where to get it.");
  return {sub, [f] { return run(*f); }};
}

}  // namespace moe::tools
