// moe-eval validate: everything of a run but the run, and what it will take.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "engine/base/clock.h"
#include "engine/base/error.h"
#include "engine/base/memory.h"
#include "engine/runtime/inspect.h"
#include "eval/run/engine_backend.h"
#include "eval/run/work.h"
#include "kernels/multiply.h"
#include "kernels/roofline.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/moe_eval/commands.h"
#include "tools/moe_eval/sweep.h"
#include "tools/moe_eval/table.h"

namespace moe::tools {

using namespace moe::eval;

namespace {

// What real runs reach of the speeds below, roughly: estimates should be near, not flattering.
constexpr double kUsualShare = 0.6;
constexpr std::int64_t kChunk = 512;

Chosen all_conditions(const TaskRegistry& registry) {
  Chosen out;
  for (const Task& task : registry.tasks()) {
    for (const Strategy& strategy : task.strategies) out.emplace_back(&task, &strategy);
  }
  return out;
}

void show_prompt(const std::string& text) { fmt::print("--- first prompt ---\n{}\n--- end ---\n", text); }

// Files read and prompts built, without a model.
void check_without_model(const Task& task, const Strategy& strategy, const RunOptions& options, bool show) {
  Dataset data = load_split(task.dataset, task.eval_split, options.data);
  const auto warnings = data.warnings;
  Dataset pool;
  const ExampleSampler sampler = strategy.fewshot.sampler;
  if (strategy.fewshot.count > 0 && (sampler == ExampleSampler::first || sampler == ExampleSampler::random)) {
    pool = load_split(task.dataset, strategy.fewshot.split, options.data);
  }
  if (strategy.order == ChoiceOrder::counterbalanced) counterbalance(data.docs, options.seed);
  const PromptBuilder builder(task, strategy, data.docs, &pool.docs, options.prompt, nullptr);
  std::size_t bytes = 0, longest = 0;
  for (std::size_t i = 0; i < data.docs.size(); ++i) {
    const std::size_t size = builder.build(i).text.size();
    bytes += size;
    longest = std::max(longest, size);
  }
  fmt::print("{}: ok, {} items of {}; prompts of {} bytes on average, {} at most\n", label(task, strategy),
             data.docs.size(), data.file, bytes / data.docs.size(), longest);
  for (const std::string& warning : warnings) print_warning("moe-eval", warning);
  if (show) show_prompt(builder.build(0).text);
}

// What this machine can do, measured for a moment.
struct Machine {
  std::map<kernels::Compute, double> flops;  // a second, of products
  double bandwidth = 0;                      // bytes a second
  int threads = 0;
};

// FLOPs a second of a prompt's products: how far those stay behind the peak differs from one table to the next.
double measure_products(const kernels::KernelTable& table, kernels::ThreadTeam& team, kernels::Compute compute) {
  constexpr std::int64_t kRows = 256, kSize = 1024;
  const std::vector<float> x(kRows * kSize, 1.0F), zeros(kSize * kSize);
  const bool quantised = compute == kernels::Compute::int8;
  const auto stored = quantised ? kernels::WeightType::f32 : kernels::WeightType::bf16;
  const kernels::PackedMatrix w = kernels::pack(std::vector{kernels::row_major(stored, zeros.data(), kSize, kSize)},
                                                quantised ? kernels::WeightType::q8 : stored);
  kernels::PackedInput input;
  input.bind(table, compute, x.data(), kSize, kRows, kSize);
  table.prepare(input, 0, kRows);
  std::vector<float> y(kRows * kSize);
  double best = 0;
  for (const auto start = Clock::now(); seconds_since(start) < 0.15;) {
    const auto begin = Clock::now();
    team.parallel_for(kSize, 4 * kernels::row_granularity(), [&](std::int64_t first, std::int64_t end, int) {
      kernels::multiply(table, w, input.all(), {}, y.data(), kSize, first, end);
    });
    best = std::max(best, 2.0 * kRows * kSize * kSize / seconds_since(begin));
  }
  return best;
}

Machine measure_machine(int threads, const std::vector<LoadFlags>& forms) {
  kernels::ThreadTeam team(threads);
  const kernels::KernelTable& table = kernels::select_kernels();
  Machine machine;
  for (const LoadFlags& form : forms) {
    double& flops = machine.flops[compute_of(form)];
    if (flops == 0) flops = measure_products(table, team, compute_of(form));
  }
  machine.bandwidth = kernels::measure_read_bandwidth(table, team, std::int64_t{192} << 20, 0.3);
  machine.threads = team.size();
  return machine;
}

const WeightForm& weight_form(const LoadFlags& form) {
  return *std::ranges::find(kWeightForms, std::string_view(form.weights), &WeightForm::name);
}

class ModelCheck {
 public:
  ModelCheck(const std::string& model, const RunFlags& flags, const Machine& machine)
      : model_(model), flags_(flags), machine_(machine) {}

  // Returns how many conditions cannot run.
  std::size_t run(const Chosen& chosen) {
    fmt::print("{}\n", model_);
    std::size_t faults = 0;
    bool show = chosen.size() == 1;
    const std::vector<RouterSetting> routers = routers_of(model_, flags_);
    for (const LoadFlags& form : flags_.forms) {
      for (const RouterSetting& router : routers) {
        const ModelOutline outline = open_outline(model_, engine_options(flags_, form, router));
        session_ = {compute_of(form), kv_type_of(form),
                    static_cast<std::uint64_t>(
                        weight_bytes_in_memory(outline.spec, outline.stored, weight_form(form)).resident)};
        weights_ = std::max(weights_, session_.weights);
        for (const Asked& asked : asked_conditions(chosen, flags_)) {
          try {
            check(*plan(*asked.task, *asked.strategy, asked.options(flags_), *outline.backend), outline,
                  std::exchange(show, false));
          } catch (const Error& error) {
            ++faults;
            fmt::print("  {}: {}\n", label(*asked.task, *asked.strategy), error.what());
          }
        }
      }
    }
    totals();
    return faults;
  }

 private:
  void check(const Condition& condition, const ModelOutline& outline, bool show) {
    const ConditionWork work = condition_work(condition, flags_.engine.share_prefix);
    const double prompts = work.prefill / flops();
    const double replies = reply_seconds(work, outline.spec);
    fmt::print("  {}: {} items; prompts of {} to {} tokens, {} shared; {} FLOPs for prompts and choices",
               condition.label, work.items, work.shortest, work.longest, work.shared_tokens,
               format_count(work.prefill));
    if (work.reply_tokens > 0) fmt::print(", at most {} for replies", format_count(work.decode));
    fmt::print("; about {}", format_duration(prompts));
    if (work.reply_tokens > 0) fmt::print(" for prompts, at most {} for replies", format_duration(replies));
    fmt::print("\n");
    std::size_t broken = 0;
    std::string reason;
    for (const Item& item : condition.items) {
      if (item.error.empty()) continue;
      ++broken;
      if (reason.empty()) reason = item.error;
    }
    const auto warn = [&](std::size_t count, const std::string& what) {
      if (count > 0)
        print_warning("moe-eval", fmt::format("{}: {} of {} {}", condition.label, count, work.items, what));
    };
    warn(broken, "items cannot be asked: " + reason);
    warn(work.too_long, fmt::format("prompts are longer than the context of {} tokens and will fail",
                                    condition.facts.backend.context));
    warn(work.cut_by_window,
         fmt::format("replies may reach the end of the context of {} tokens before their cap",
                     condition.facts.backend.context));
    for (const std::string& warning : condition.data.warnings) print_warning("moe-eval", warning);
    if (show && !condition.items.empty()) {
      show_prompt(condition.items[0].prompt.text);
      fmt::print("{}\n", shown_tokens(condition.items[0].job));
    }
    prompts_ += prompts;
    replies_ += replies;
    const std::size_t together = std::min(flags_.engine.sequences, work.items);
    const auto one = static_cast<std::uint64_t>(kv_cache_bytes(
        outline.spec, std::max<std::int64_t>(work.longest_sequence, 1), kChunk, session_.kv_type));
    kv_one_ = std::max(kv_one_, one);
    kv_all_ = std::max(kv_all_, one * together);
  }

  // Beside their products, prompts take a quarter of their time for attention, norms and waiting.
  double flops() const { return 0.75 * machine_.flops.at(session_.compute); }

  static std::string shown_tokens(const Job& job) {
    if (const auto* score = std::get_if<ScoreJob>(&job)) {
      std::string out = fmt::format("context {} tokens, choices", score->context.size());
      for (const TokenIds& one : score->continuations) out += fmt::format(" {}", one.size());
      return out;
    }
    const auto& generate = std::get<GenerateJob>(job);
    return fmt::format("prompt {} tokens, at most {} new", generate.prompt.size(), generate.max_tokens);
  }

  // Each step reads the weights once for all replies under way, and each reply's keys and values.
  double reply_seconds(const ConditionWork& work, const ModelSpec& spec) const {
    if (work.reply_tokens == 0) return 0;
    const double together =
        static_cast<double>(std::min(flags_.engine.sequences, std::max<std::size_t>(work.items, 1)));
    const double steps = static_cast<double>(work.reply_tokens) / together;
    const double keys =
        static_cast<double>(kv_cache_bytes(spec, work.longest_sequence, kChunk, session_.kv_type)) * together;
    return std::max(work.decode / flops(), steps * (static_cast<double>(session_.weights) + keys) /
                                               (kUsualShare * machine_.bandwidth));
  }

  void totals() const {
    const std::uint64_t free = available_memory().value_or(0);
    const std::uint64_t budget =
        flags_.engine.kv_bytes > 0 ? flags_.engine.kv_bytes : (free > weights_ ? (free - weights_) / 2 : 0);
    fmt::print("  time: about {} for prompts", format_duration(prompts_));
    if (replies_ > 0)
      fmt::print(", at most {} for replies (if each fills its cap)", format_duration(replies_));
    fmt::print(" on {} threads\n", machine_.threads);
    fmt::print(
        "  memory: {} of weights, {} of keys and values for one item at its longest, {} for {} at once; {} "
        "are free\n",
        format_bytes(weights_), format_bytes(kv_one_), format_bytes(kv_all_), flags_.engine.sequences,
        format_bytes(free));
    if (weights_ + kv_one_ > free)
      print_warning("moe-eval", fmt::format("{}: this does not fit into the free memory", model_));
    else if (kv_all_ > budget) {
      print_warning(
          "moe-eval",
          fmt::format("{}: items will wait for memory: {} are set aside for keys and values (--kv-memory)",
                      model_, format_bytes(budget)));
    }
  }

  const std::string& model_;
  const RunFlags& flags_;
  const Machine& machine_;
  // How the conditions that are looked at now will run.
  struct SessionForm {
    kernels::Compute compute = kernels::Compute::f32;
    kernels::KvType kv_type = kernels::KvType::f32;
    std::uint64_t weights = 0;  // bytes in memory
  };
  SessionForm session_;
  std::uint64_t weights_ = 0;  // of the largest form
  double prompts_ = 0, replies_ = 0;
  std::uint64_t kv_one_ = 0, kv_all_ = 0;
};

int validate(CLI::App& app, RunFlags& flags) {
  if (!flags.sweep.empty()) read_flag_file(app, flags.sweep);
  const TaskRegistry registry(flags.selection.include);
  settle(flags, registry);
  const Chosen chosen =
      flags.selection.tasks.empty() ? all_conditions(registry) : choose(registry, flags.selection);
  std::size_t faults = 0;
  for (const auto& [task, strategy] : chosen) {
    try {
      check_without_model(*task, *strategy, flags.run, flags.models.empty() && chosen.size() == 1);
    } catch (const Error& error) {
      ++faults;
      fmt::print("{}: {}\n", label(*task, *strategy), error.what());
    }
  }
  if (faults > 0) {
    print_error("moe-eval", fmt::format("{} of {} conditions cannot run", faults, chosen.size()));
    return kFailure;
  }
  if (flags.models.empty()) return kDone;
  const Machine machine = measure_machine(flags.engine.threads, flags.forms);
  for (const std::string& model : flags.models) faults += ModelCheck(model, flags, machine).run(chosen);
  if (faults == 0) return kDone;
  print_error("moe-eval", fmt::format("{} conditions cannot run", faults));
  return kFailure;
}

}  // namespace

Command add_validate_command(CLI::App& app) {
  auto f = std::make_shared<RunFlags>();
  CLI::App* sub = app.add_subcommand("validate",
                                     "Check task files and data; with a model also prompts, tokens, memory "
                                     "and time, before hours are spent");
  add_run_flags(*sub, *f);
  sub->footer(
      "Takes the flags of 'run', so that a command can be checked by changing one word. Weights are not "
      "read.\n"
      "Times are rough: they come from a moment's measurement of this machine.");
  return {sub, [sub, f] { return validate(*sub, *f); }};
}

}  // namespace moe::tools
