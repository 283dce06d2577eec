// Results in lm_eval's files (its EvaluationTracker and result schema, version 0.4).
#include "eval/run/results.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "engine/base/atomic_file.h"
#include "engine/base/error.h"
#include "engine/base/sha256.h"
#include "eval/stats/proportion.h"
#include "eval/util/json.h"

namespace moe::eval {
namespace {

// lm_eval's names: "acc,none" for likelihoods; "exact_match,<filter>" for responses.
std::string metric_of(const Strategy& strategy, const std::string& chain) {
  return strategy.kind == Kind::loglikelihood ? chain : "exact_match";
}
std::string filter_of(const Strategy& strategy, const std::string& chain) {
  return strategy.kind == Kind::loglikelihood ? "none" : chain;
}

Json costs_totals(const Costs& costs) {
  const Flops total = costs.total();
  return {{"tokens", costs.tokens}, {"class_a", total.class_a}, {"class_b", total.class_b},
          {"weight_bytes", costs.weight_bytes}, {"kv_bytes", costs.kv_bytes}};
}

Json arguments_of(const Strategy& strategy, const Item& item) {
  Json arguments = Json::object();
  if (strategy.kind == Kind::loglikelihood) {
    for (std::size_t i = 0; i < item.prompt.continuations.size(); ++i) {
      arguments[fmt::format("gen_args_{}", i)] = {{"arg_0", item.prompt.text}, {"arg_1", item.prompt.continuations[i]}};
    }
    return arguments;
  }
  const auto& job = std::get<GenerateJob>(item.job);
  arguments["gen_args_0"] = {{"arg_0", item.prompt.text},
                             {"arg_1", {{"until", job.stop},
                                        {"do_sample", job.sampling.temperature > 0},
                                        {"temperature", job.sampling.temperature},
                                        {"max_gen_toks", job.max_tokens}}}};
  return arguments;
}

// The samples of each document that came to something: as a rule one.
std::vector<std::vector<std::size_t>> documents_of(const FinishedCondition& finished) {
  const std::vector<Item>& items = finished.condition->items;
  std::vector<std::vector<std::size_t>> out;
  const Doc* last = nullptr;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!finished.outcomes[i] || finished.outcomes[i]->failed()) continue;
    if (std::exchange(last, items[i].doc) != items[i].doc) out.emplace_back();
    out.back().push_back(i);
  }
  return out;
}

double correct_share(const FinishedCondition& finished, const std::vector<std::size_t>& samples, std::size_t reading) {
  double sum = 0;
  for (const std::size_t i : samples) sum += finished.outcomes[i]->readings[reading].correct.value_or(false) ? 1 : 0;
  return sum / static_cast<double>(samples.size());
}

// One line of samples_*.jsonl. lm_eval has one a document and filter; likelihoods have one filter, "none", which shows
// every metric.
Json sample_of(const FinishedCondition& finished, const std::vector<std::size_t>& samples, std::size_t filter) {
  const Condition& condition = *finished.condition;
  const Strategy& strategy = *condition.strategy;
  const Item& item = condition.items[samples[0]];
  const Outcome& first = *finished.outcomes[samples[0]];
  const bool scored = strategy.kind == Kind::loglikelihood;
  Json resps = Json::array(), filtered = Json::array();
  if (scored) {
    for (std::size_t i = 0; i < first.result.loglikelihoods.size(); ++i) {
      const Json pair = {fmt::format("{}", first.result.loglikelihoods[i]), first.result.greedy[i] ? "True" : "False"};
      resps.push_back(Json::array({pair}));
      filtered.push_back(pair);
    }
  } else {
    Json answers = Json::array();
    for (const std::size_t i : samples) {
      const std::string& value = finished.outcomes[i]->readings[filter].value;
      answers.push_back(finished.outcomes[i]->result.answer);
      filtered.push_back(value.empty() ? "[invalid]" : value);
    }
    resps.push_back(std::move(answers));
  }
  Json sample = {{"doc_id", item.doc->id},
                 {"doc", parse_json(item.doc->json, condition.data.file, "a document")},
                 {"target", item.prompt.target},
                 {"arguments", arguments_of(strategy, item)},
                 {"resps", std::move(resps)},
                 {"filtered_resps", std::move(filtered)},
                 {"filter", filter_of(strategy, first.readings[filter].chain)},
                 {"metrics", Json::array()},
                 {"doc_hash", item.doc->hash},
                 {"prompt_hash", item.prompt_hash},
                 {"target_hash", sha256_hex(item.prompt.target)}};
  for (std::size_t r = 0; r < first.readings.size(); ++r) {
    if (!scored && r != filter) continue;
    const std::string metric = metric_of(strategy, first.readings[r].chain);
    sample["metrics"].push_back(metric);
    sample[metric] = correct_share(finished, samples, r);
  }
  return sample;
}

std::size_t filters_of(const Condition& condition) {
  return condition.strategy->kind == Kind::loglikelihood ? 1 : condition.extractors.size();
}

std::string samples_text(const FinishedCondition& finished) {
  const auto documents = documents_of(finished);
  std::string out;
  for (std::size_t filter = 0; filter < filters_of(*finished.condition); ++filter) {
    for (const auto& samples : documents) out += line_dump(sample_of(finished, samples, filter)) + '\n';
  }
  return out;
}

// Mean over documents and its standard error, as lm_eval has them.
struct Score {
  double mean = 0, error = 0;
};

Score score_of(const FinishedCondition& finished, std::size_t reading) {
  const auto documents = documents_of(finished);
  const auto n = static_cast<double>(documents.size());
  Score score;
  double squares = 0;
  for (const auto& samples : documents) score.mean += correct_share(finished, samples, reading);
  score.mean /= n;
  for (const auto& samples : documents) squares += std::pow(correct_share(finished, samples, reading) - score.mean, 2);
  score.error = std::sqrt(squares / (n - 1) / n);  // not finite for fewer than two
  return score;
}

// Of all lines of the samples file, as lm_eval has it: a document counts once for each filter.
std::string task_hash(const FinishedCondition& finished) {
  std::string hashes;
  for (const auto& samples : documents_of(finished)) {
    const Item& item = finished.condition->items[samples[0]];
    hashes += item.doc->hash + item.prompt_hash + sha256_hex(item.prompt.target);
  }
  std::string all;
  for (std::size_t filter = 0; filter < filters_of(*finished.condition); ++filter) all += hashes;
  return sha256_hex(all);
}

// What a run's flags say of sampling, under lm_eval's names; null: greedy.
Json generation_arguments(const RunFacts& facts) {
  const Sampling& s = facts.sampling;
  if (s.temperature == 0 && s.frequency_penalty == 0) return {};
  Json out = {{"do_sample", s.temperature > 0}, {"temperature", s.temperature}};
  if (s.temperature > 0) out.update({{"top_k", s.top_k}, {"top_p", s.top_p}, {"min_p", s.min_p}, {"seed", facts.seed}});
  if (s.frequency_penalty != 0) out["frequency_penalty"] = s.frequency_penalty;
  return out;
}

Json config_of(const Condition& condition) {
  const Strategy& s = *condition.strategy;
  Json config = {{"task", condition.label},
                 {"task_file", condition.task->file},
                 {"strategy", s.name},
                 {"output_type", s.kind == Kind::loglikelihood ? "multiple_choice" : "generate_until"},
                 {"doc_to_text", s.prompt.source()},
                 {"num_fewshot", condition.facts.fewshot},
                 {"data_file", condition.data.file},
                 {"data_hash", condition.data.hash},
                 {"metadata", {{"version", condition.task->version}}}};
  if (s.kind == Kind::generate && !condition.items.empty()) {
    config["generation_kwargs"] = {{"until", s.stop}, {"max_gen_toks", std::get<GenerateJob>(condition.items[0].job).max_tokens}};
  }
  return config;
}

// What lm_eval has no place for: rates, intervals and costs, in one object that its readers pass over.
Json moe_of(const FinishedCondition& finished) {
  const Summary& s = finished.summary;
  Json scores = Json::object();
  for (const Tally& tally : s.tallies) {
    const Interval interval = accuracy_interval(s, tally);
    scores[tally.chain] = {{"correct", tally.correct},     {"n", tally.scored},       {"wilson", {interval.low, interval.high}},
                           {"unparsed", tally.unparsed},   {"undecided", tally.undecided},
                           {"completed", s.completed},     {"completed_correct", tally.completed_correct}};
  }
  const RunFacts& facts = finished.condition->facts;
  Json energy;
  if (s.with_energy > 0) energy = {{"joules", s.joules}, {"items", s.with_energy}, {"source", "rapl"}};
  Json out = {{"task", facts.task},
              {"strategy", facts.strategy},
              {"variant", facts.variant},
              {"mode", facts.backend.mode},
              {"weights", facts.backend.weights},
              {"compute", facts.backend.compute},
              {"cache", facts.backend.cache},
              {"ignore_stops", facts.ignore_stops},
              {"seed", facts.seed},
              {"chat_template_applied", facts.chat},
              {"reasoning", facts.backend.reasoning},
              {"chat_template_kwargs", text_or_null(facts.backend.chat_kwargs)},
              {"data_file", facts.data_file},
              {"samples_an_item", s.samples},
              {"scores", std::move(scores)},
              {"items", s.items},
              {"failed", s.failed},
              {"reused", s.reused},
              {"truncated", s.truncated},
              {"empty", s.empty},
              {"thought_unclosed", s.unclosed},
              {"tied", s.tied},
              {"tokens",
               {{"prompt", s.prompt_tokens},
                {"shared", s.shared_tokens},
                {"thought", s.thought_tokens},
                {"answer", s.answer_tokens}}},
              {"cost",
               {{"executed", costs_totals(s.executed)},
                {"as_if_alone", costs_totals(s.alone)},
                {"proxy_2n_active", s.proxies.twice_active},
                {"proxy_2n_attention", s.proxies.with_attention},
                {"proxy_components", s.proxies.by_component}}},
              {"seconds", s.item_seconds}};
  if (!energy.is_null()) out["energy"] = std::move(energy);
  return out;
}

// Local time as Python's datetime.isoformat has it, with '-' for ':'.
std::string time_stamp() {
  const auto now = std::chrono::system_clock::now();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() % 1000000;
  return fmt::format("{:%Y-%m-%dT%H-%M-%S}.{:06}", fmt::localtime(std::chrono::system_clock::to_time_t(now)), micros);
}

std::string sanitized(const std::string& model) {
  std::string out;
  bool bad = false;  // a run of forbidden characters becomes one "__"
  for (const char c : model) {
    const bool forbidden = std::string_view("\"<>:/|\\?*[]").find(c) != std::string_view::npos;
    if (forbidden && !bad) out += "__";
    if (!forbidden) out += c;
    bad = forbidden;
  }
  return out;
}

}  // namespace

std::string model_directory(const std::string& output, const std::string& model) { return output + "/" + sanitized(model); }

void prepare_directory(const std::string& directory) {
  std::error_code code;
  std::filesystem::create_directories(directory, code);
  if (code) throw Error(ErrorKind::io, Fault{directory, "--output_path", "a directory that can be made", code.message()});
  const std::string probe = fmt::format("{}/.probe.{}", directory, ::getpid());
  write_file_atomically(probe, "whether files can be written here\n");
  std::filesystem::remove(probe, code);
}

std::string write_results(const std::string& directory, const std::vector<FinishedCondition>& conditions,
                          const BackendInfo& backend, const ResultOptions& options) {
  const std::string stamp = time_stamp();
  Json results = Json::object(), configs = Json::object(), versions = Json::object(), shots = Json::object(),
       higher = Json::object(), counts = Json::object(), hashes = Json::object(), ours = Json::object(),
       subtasks = Json::object();
  for (const FinishedCondition& finished : conditions) {
    const Condition& condition = *finished.condition;
    const Strategy& strategy = *condition.strategy;
    Json metrics = {{"name", condition.label}, {"alias", condition.label},
                    {"sample_len", documents_of(finished).size()}};
    for (std::size_t t = 0; t < finished.summary.tallies.size(); ++t) {
      const Tally& tally = finished.summary.tallies[t];
      const std::string metric = metric_of(strategy, tally.chain), filter = filter_of(strategy, tally.chain);
      const Score score = score_of(finished, t);
      metrics[metric + "," + filter] = tally.scored == 0 ? Json() : Json(score.mean);
      metrics[metric + "_stderr," + filter] = std::isfinite(score.error) ? Json(score.error) : Json("N/A");
      higher[condition.label][metric] = true;
    }
    const std::string samples = samples_text(finished);
    write_file_atomically(fmt::format("{}/samples_{}_{}.jsonl", directory, condition.label, stamp), samples);
    results[condition.label] = std::move(metrics);
    configs[condition.label] = config_of(condition);
    versions[condition.label] = condition.task->version;
    shots[condition.label] = condition.facts.fewshot;
    counts[condition.label] = {{"original", condition.original}, {"effective", documents_of(finished).size()}};
    hashes[condition.label] = task_hash(finished);
    ours[condition.label] = moe_of(finished);
    subtasks[condition.label] = Json::array();
  }
  // One run's flags are the same for all conditions; whether a template is used is each strategy's choice.
  const bool chat = std::ranges::any_of(conditions, [](const FinishedCondition& one) { return one.condition->facts.chat; });
  const RunFacts none;
  const RunFacts& facts = conditions.empty() ? none : conditions.front().condition->facts;
  Json all = {{"results", std::move(results)}, {"group_subtasks", std::move(subtasks)}, {"configs", std::move(configs)},
              {"versions", std::move(versions)}, {"n-shot", std::move(shots)}, {"higher_is_better", std::move(higher)},
              {"n-samples", std::move(counts)}};
  all["config"] = {{"model", "moe"}, {"model_args", options.model_arguments}, {"model_num_parameters", backend.parameters},
                   {"model_sha", backend.model_hash}, {"batch_size", nullptr}, {"device", "cpu"}, {"use_cache", nullptr},
                   {"limit", options.limit ? Json(*options.limit) : Json()}, {"bootstrap_iters", 0}, {"gen_kwargs", generation_arguments(facts)}};
  all["git_hash"] = nullptr;
  all["date"] = options.started;
  all["task_hashes"] = std::move(hashes);
  all["model_source"] = "moe";
  all["model_name"] = backend.model;
  all["model_name_sanitized"] = sanitized(backend.model);
  all["system_instruction"] = text_or_null(facts.system);
  all["system_instruction_sha"] = facts.system.empty() ? Json() : Json(sha256_hex(facts.system));
  all["fewshot_as_multiturn"] = false;
  all["chat_template"] = chat ? Json(backend.chat_template) : Json();
  all["chat_template_sha"] = chat ? Json(sha256_hex(backend.chat_template)) : Json();
  all["start_time"] = options.started;
  all["end_time"] = options.started + options.seconds;
  all["total_evaluation_time_seconds"] = fmt::format("{}", options.seconds);
  all["moe"] = {
      {"env",
       {{"engine_version", backend.engine_version},
        {"kernels", backend.kernels},
        {"threads", backend.threads},
        {"compute", backend.compute},
        {"weights", backend.weights},
        {"cache", backend.cache},
        {"machine", backend.machine}}},
      {"memory",
       {{"after_load_rss_bytes", backend.after_load_rss_bytes}, {"peak_rss_bytes", peak_resident_bytes()}}},
      {"tasks", std::move(ours)}};
  const std::string path = fmt::format("{}/results_{}.json", directory, stamp);
  write_file_atomically(path, python_dump(all) + "\n");
  return path;
}

}  // namespace moe::eval
