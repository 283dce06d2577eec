// moe-eval run: models x router settings x tasks x strategies x token budgets through the engine into
// journals, tables and lm_eval's files.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "engine/base/atomic_file.h"
#include "engine/base/clock.h"
#include "engine/base/error.h"
#include "engine/checkpoint/hub.h"
#include "eval/run/energy.h"
#include "eval/run/engine_backend.h"
#include "eval/run/results.h"
#include "eval/run/work.h"
#include "tools/common/interrupt.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/moe_eval/commands.h"
#include "tools/moe_eval/live_table.h"
#include "tools/moe_eval/routing_report.h"
#include "tools/moe_eval/sweep.h"
#include "tools/moe_eval/table.h"

namespace moe::tools {

using namespace moe::eval;

namespace {

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

std::unique_ptr<Backend> load(const std::string& model, EngineOptions engine, const std::string& journal) {
  std::unique_ptr<Progress> bar;
  engine.loading = [&](std::uint64_t done, std::uint64_t total) {
    stop_if_interrupted("loading the model");
    if (!bar) bar = std::make_unique<Progress>("loading " + model, total, ProgressUnit::bytes);
    bar->update(done);
  };
  return open_or_clean_up(model, engine, journal);
}

// One model's part of a sweep: what ran, and what it came to.
class ModelRun {
 public:
  ModelRun(const std::string& model, const RunFlags& flags, const Chosen& chosen, RoutingReport& routing)
      : model_(model),
        flags_(flags),
        chosen_(chosen),
        routing_(routing),
        directory_(model_directory(flags.output, model)) {
    prepare_directory(directory_);
    journal_ = std::make_unique<RunJournal>(directory_ + "/journal.jsonl",
                                            [](const std::string& text) { print_warning("moe-eval", text); });
    remove_abandoned_files(directory_);  // the journal is locked: no other run writes here
  }

  // Returns an exit code.
  int run() {
    const std::vector<RouterSetting> routers = routers_of(model_, flags_);
    const std::size_t sessions = flags_.forms.size() * routers.size();
    std::size_t at = 0;
    for (const LoadFlags& form : flags_.forms) {
      for (const RouterSetting& router : routers) {
        if (interrupted_) break;
        run_session(engine_options(flags_, form, router),
                    sessions == 1 ? "" : fmt::format(" ({} of {})", ++at, sessions));
      }
    }
    // Where there are several forms, the names of the results tell them apart.
    fmt::print("{} ({}, {} threads, {}{})\n{}", model_, info_.kernels, info_.threads,
               flags_.forms.size() > 1 ? "" : fmt::format("weights {}, {}, ", info_.weights, info_.compute),
               info_.mode == "latency" ? "one item at a time" : "in batches", result_table(finished_));
    if (interrupted_) {
      fmt::print(stderr, "moe-eval: interrupted; the same command goes on from {}\n", journal_->path());
      return kInterrupted;
    }
    ResultOptions results;
    results.started = started_;
    results.seconds = seconds_since(start_);
    results.limit = flags_.run.limit;
    results.model_arguments = "pretrained=" + model_;
    fmt::print("journal: {}\nresults: {}\n", journal_->path(),
               write_results(directory_, finished_, info_, results));
    std::fflush(stdout);
    const bool unscored = std::any_of(finished_.begin(), finished_.end(), [](const FinishedCondition& one) {
      return one.summary.failed > 0 || std::any_of(one.summary.tallies.begin(), one.summary.tallies.end(),
                                                   [](const Tally& tally) { return tally.undecided > 0; });
    });
    return unscored ? kUnscored : kDone;
  }

 private:
  // Everything under one form of weights and one setting of the router, with the model loaded once.
  void run_session(const EngineOptions& engine, const std::string& which) {
    const std::unique_ptr<Backend> backend = load(model_, engine, journal_->path());
    info_ = backend->info();
    journal_->check_model(info_);
    const std::size_t first = conditions_.size();
    plan_conditions(*backend);
    LiveTable table(fmt::format("{}{}", model_, which));
    for (std::size_t i = first; i < conditions_.size(); ++i) {
      const ConditionWork work = condition_work(*conditions_[i], flags_.engine.share_prefix);
      // Most replies end long before their cap.
      const bool uncut =
          conditions_[i]->strategy->kind == Kind::loglikelihood || conditions_[i]->facts.ignore_stops;
      table.add(conditions_[i]->label, work.items, uncut, work.prefill + work.decode / 2);
    }
    for (std::size_t i = first; i < conditions_.size() && !interrupted_; ++i)
      run_condition(*conditions_[i], *backend, table, i - first);
  }

  void plan_conditions(Backend& backend) {
    for (const Asked& asked : asked_conditions(chosen_, flags_)) {
      conditions_.push_back(plan(*asked.task, *asked.strategy, asked.options(flags_), backend));
      for (const std::string& warning : conditions_.back()->data.warnings) {
        if (std::find(warned_.begin(), warned_.end(), warning) != warned_.end()) continue;
        warned_.push_back(warning);
        print_warning("moe-eval", warning);
      }
    }
  }

  void run_condition(const Condition& condition, Backend& backend, LiveTable& table, std::size_t row) {
    FinishedCondition finished;
    finished.condition = &condition;
    RunHooks hooks;
    hooks.interrupted = [] { return interrupted(); };
    hooks.progress = [&](const Summary& summary) { table.update(row, summary); };
    hooks.joules = [this] { return energy_.joules(); };
    table.start(row);
    finished.summary = eval::run(condition, backend, *journal_, hooks, finished.outcomes);
    routing_.add(condition, finished.summary, backend);
    interrupted_ = finished.summary.interrupted;
    if (!interrupted_) table.finish(row, finished.summary);
    finished_.push_back(std::move(finished));
  }

  const std::string& model_;
  const RunFlags& flags_;
  const Chosen& chosen_;
  RoutingReport& routing_;
  std::string directory_;
  std::unique_ptr<RunJournal> journal_;
  EnergyMeter energy_;
  const Clock::time_point start_ = Clock::now();
  const double started_ =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  BackendInfo info_;  // of the last session
  std::vector<std::unique_ptr<Condition>> conditions_;
  std::vector<FinishedCondition> finished_;
  std::vector<std::string> warned_;
  bool interrupted_ = false;
};

// What can be wrong without weights is found before the first hour is spent.
void check_before(const RunFlags& flags, const Chosen& chosen) {
  for (const auto& [task, strategy] : chosen) load_split(task->dataset, task->eval_split, flags.run.data);
  for (const std::string& model : flags.models) {
    resolve_model(model);
    prepare_directory(model_directory(flags.output, model));
  }
  if (!flags.routing_stats.file.empty() && std::ranges::none_of(flags.models, has_experts)) {
    throw Error(ErrorKind::usage, Fault{"", "--routing-stats", "a model with experts", "dense ones only"});
  }
}

int run(CLI::App& app, RunFlags& flags) {
  catch_interrupts();
  if (!flags.sweep.empty()) read_flag_file(app, flags.sweep);
  if (flags.models.empty()) throw Error(ErrorKind::usage, "no model: give -m/--model DIRECTORY or org/name");
  if (flags.selection.tasks.empty())
    throw Error(ErrorKind::usage, "no tasks: give --tasks NAME,... ('moe-eval ls' lists them)");
  const TaskRegistry registry(flags.selection.include);
  settle(flags, registry);
  const Chosen chosen = choose(registry, flags.selection);
  check_before(flags, chosen);
  RoutingReport routing(flags.routing_stats);
  int code = kDone;
  for (const std::string& model : flags.models) {
    try {
      const int one = ModelRun(model, flags, chosen, routing).run();
      if (one == kInterrupted) return one;
      if (code == kDone) code = one;
    } catch (const Error& error) {
      if (flags.models.size() == 1 || interrupted()) throw;
      // The other models' hours should not be lost to this one.
      print_error("moe-eval", fmt::format("{}: {}", model, error.what()));
      code = kFailure;
    }
  }
  return code;
}

}  // namespace

Command add_run_command(CLI::App& app) {
  auto f = std::make_shared<RunFlags>();
  CLI::App* sub =
      app.add_subcommand("run", "Run benchmarks; the same command again finishes what is missing");
  add_run_flags(*sub, *f);
  sub->footer(
      "Every finished item is one line of OUTPUT/MODEL/journal.jsonl; when all are done, results_*.json and\n"
      "samples_*.jsonl beside it have lm_eval's layout. Data files are never downloaded: a missing one is "
      "named\n"
      "together with where to get it.");
  return {sub, [sub, f] { return run(*sub, *f); }};
}

}  // namespace moe::tools
