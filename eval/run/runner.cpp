// Runs a condition's missing items and adds up all of them.
#include "eval/run/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/base/error.h"

namespace moe::eval {
namespace {

// So many items may come before the self-test of choices that cannot be told apart.
constexpr std::size_t kTieTest = 8;

void count(Summary& summary, const Item& item, const Outcome& outcome) {
  ++summary.finished;
  const JobResult& result = outcome.result;
  if (outcome.failed()) {
    ++summary.failed;
    if (summary.first_error.empty()) summary.first_error = result.error;
    return;
  }
  const bool scored = !result.loglikelihoods.empty();
  const bool completed = !outcome.truncated();
  summary.truncated += completed ? 0 : 1;
  summary.completed += completed ? 1 : 0;
  summary.empty += !scored && outcome.empty() ? 1 : 0;
  summary.unclosed += result.thought_unclosed ? 1 : 0;
  summary.all_tied += scored && all_choices_tie(result) ? 1 : 0;
  summary.prompt_tokens += result.prompt_tokens;
  summary.shared_tokens += result.shared_tokens;
  summary.answer_tokens += result.answer_tokens;
  summary.thought_tokens += result.thought_tokens;
  summary.executed.add(result.prefill);
  summary.executed.add(result.decode);
  summary.alone.add(result.alone_prefill);
  summary.alone.add(result.alone_decode);
  const ItemProxies proxies = item_proxies(summary.condition->facts.backend.proxies, item.job, result);
  summary.proxies.twice_active += proxies.twice_active;
  summary.proxies.with_attention += proxies.with_attention;
  summary.proxies.by_component += proxies.by_component;
  summary.item_seconds += outcome.seconds;
  summary.joules += outcome.joules.value_or(0);
  summary.with_energy += outcome.joules ? 1 : 0;
  bool tied = false;
  for (std::size_t i = 0; i < outcome.readings.size(); ++i) {
    const Reading& reading = outcome.readings[i];
    Tally& tally = summary.tallies[i];
    ++tally.scored;
    tied = tied || reading.rule == "tie";
    tally.unparsed += reading.rule.empty() ? 1 : 0;
    if (!reading.correct) {
      ++tally.undecided;
    } else if (*reading.correct) {
      ++tally.correct;
      tally.completed_correct += completed ? 1 : 0;
    }
  }
  summary.tied += tied ? 1 : 0;
}

// A record has what is read of an item's answer, unless somebody has edited it.
bool answers(const Outcome& outcome, const Item& item) {
  const auto* scored = std::get_if<ScoreJob>(&item.job);
  return outcome.result.loglikelihoods.size() == (scored != nullptr ? scored->continuations.size() : 0);
}

// A likelihood that is no number says that the numerics broke; scoring it would be a guess.
void check_numbers(JobResult& result) {
  for (const double value : result.loglikelihoods) {
    if (result.error.empty() && !std::isfinite(value)) result.error = fmt::format("a loglikelihood of {}", value);
  }
}

}  // namespace

Interval accuracy_interval(const Summary& summary, const Tally& tally) {
  if (tally.scored == 0) return {};
  const auto scored = static_cast<double>(tally.scored);
  return wilson_of_share(static_cast<double>(tally.correct) / scored, scored / static_cast<double>(summary.samples));
}

RunJournal::RunJournal(const std::string& path, const std::function<void(const std::string&)>& warn) {
  journal_ = std::make_unique<Journal>(path, [&](std::string_view line, std::size_t number) {
    StoredRecord record = parse_record(line, path, number);
    models_[record.model] = record.model_hash;
    outcomes_[record.key] = std::move(record.outcome);
  });
  if (journal_->dropped_bytes() > 0 && warn) {
    warn(fmt::format("{}: the last record was cut off while it was written ({} bytes); its item runs again", path,
                     journal_->dropped_bytes()));
  }
}

const Outcome* RunJournal::find(const std::string& key) const {
  const auto found = outcomes_.find(key);
  return found == outcomes_.end() || found->second.failed() ? nullptr : &found->second;
}

void RunJournal::check_model(const BackendInfo& info) const {
  const auto found = models_.find(info.model);
  if (found == models_.end() || found->second == info.model_hash) return;
  throw Error(ErrorKind::config,
              Fault{path(), "model " + info.model,
                    fmt::format("the files its records were made with (hash {})", found->second),
                    fmt::format("changed files (hash {}); give another --output_path to measure them", info.model_hash)});
}

void RunJournal::append(const std::string& key, std::string_view line, const Outcome& outcome) {
  journal_->append(line);
  Outcome& stored = outcomes_[key];
  stored = outcome;
  stored.readings.clear();
}

Summary run(const Condition& condition, Backend& backend, RunJournal& journal, const RunHooks& hooks,
            std::vector<std::optional<Outcome>>& outcomes) {
  const std::vector<Item>& items = condition.items;
  const Task& task = *condition.task;
  const Strategy& strategy = *condition.strategy;
  outcomes.assign(items.size(), std::nullopt);
  Summary summary;
  summary.condition = &condition;
  summary.items = items.size();
  for (const Item& item : items) summary.samples = std::max(summary.samples, static_cast<std::size_t>(item.repeat) + 1);
  if (strategy.kind == Kind::loglikelihood) {
    for (const std::string& metric : strategy.metrics) summary.tallies.push_back({metric});
  } else {
    for (const ExtractorSpec& spec : condition.extractors) summary.tallies.push_back({spec.name});
  }
  const auto start = std::chrono::steady_clock::now();
  const auto take = [&](std::size_t index, Outcome outcome) {
    if (!outcome.failed()) {
      outcome.readings = read_answers(task, strategy, *items[index].doc, outcome.result, condition.extractors);
    }
    count(summary, items[index], outcome);
    outcomes[index] = std::move(outcome);
  };
  const auto record = [&](std::size_t index) {
    journal.append(items[index].key, record_line(condition.facts, strategy, items[index], *outcomes[index]), *outcomes[index]);
  };

  std::vector<Job> jobs;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Outcome* stored = journal.find(items[i].key);
    if (stored != nullptr && answers(*stored, items[i])) {
      ++summary.reused;
      take(i, *stored);
    } else if (!items[i].error.empty()) {
      Outcome outcome;
      outcome.result.error = items[i].error;
      take(i, std::move(outcome));
      record(i);
    } else {
      places.push_back(i);
      jobs.push_back(items[i].job);
    }
  }
  if (hooks.progress) hooks.progress(summary);
  const auto self_test = [&](std::size_t at_least) {
    if (summary.all_tied >= at_least && summary.all_tied > 0 && summary.all_tied == summary.finished - summary.failed) {
      throw Error(ErrorKind::config,
                  Fault{condition.label, "self-test", "a model that tells choices apart",
                        fmt::format("one and the same loglikelihood for all choices in each of {} items", summary.all_tied)});
    }
  };
  auto last = start;
  const auto joules_now = [&] { return hooks.joules ? hooks.joules() : std::nullopt; };
  std::optional<double> last_joules = joules_now();
  backend.run(
      jobs,
      [&](std::size_t index, JobResult result) {
        const auto now = std::chrono::steady_clock::now();
        Outcome outcome;
        outcome.result = std::move(result);
        check_numbers(outcome.result);
        outcome.seconds = std::chrono::duration<double>(now - last).count();
        last = now;
        const std::optional<double> joules = joules_now();
        if (joules && last_joules) outcome.joules = *joules - *last_joules;
        last_joules = joules;
        const JobResult& ran = outcome.result;
        summary.ran_tokens += ran.prompt_tokens - std::min(ran.prompt_tokens, ran.shared_tokens) + ran.answer_tokens + ran.thought_tokens;
        summary.seconds = std::chrono::duration<double>(now - start).count();
        take(places[index], std::move(outcome));
        record(places[index]);
        if (hooks.progress) hooks.progress(summary);
        self_test(kTieTest);
      },
      hooks.interrupted ? hooks.interrupted : [] { return false; });
  journal.flush();
  summary.interrupted = summary.finished < summary.items;
  if (!summary.interrupted) self_test(1);
  return summary;
}

}  // namespace moe::eval
