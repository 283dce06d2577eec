// From a task and options to a condition whose every item is ready to run.
#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"
#include "engine/base/sha256.h"
#include "eval/extract/extractor.h"
#include "eval/run/runner.h"
#include "eval/util/json.h"

namespace moe::eval {
namespace {

std::vector<ExtractorSpec> chosen_extractors(const Strategy& strategy, const RunOptions& options) {
  if (strategy.kind == Kind::loglikelihood) return {};
  std::vector<ExtractorSpec> out;
  if (options.extractors.empty()) out = strategy.extractors;
  for (const std::string& name : options.extractors) {
    // A name may mean a pattern of the task's own, or a chain that everyone has.
    const auto own = std::find_if(strategy.extractors.begin(), strategy.extractors.end(),
                                  [&](const ExtractorSpec& spec) { return spec.name == name; });
    out.push_back(own != strategy.extractors.end() ? *own : ExtractorSpec{name, name, "", false});
  }
  for (const ExtractorSpec& spec : out) {
    if (!spec.chain.empty()) find_chain(spec.chain);  // throws where there is no such chain
  }
  return out;
}

// Everything that changes what the model puts out, and nothing that does not: not the number of threads, which
// changes no bit, nor the extractors, which read stored responses again.
std::string item_key(const Condition& condition, const Item& item) {
  const BackendInfo& backend = condition.facts.backend;
  Json key = {{"model", backend.model_hash}, {"tokenizer", backend.tokenizer_hash}, {"engine", backend.engine_version},
              {"kernels", backend.kernels},  {"compute", backend.compute},          {"weights", backend.weights},
              {"task", condition.facts.task}, {"strategy", condition.facts.strategy}, {"doc", item.doc->hash},
              {"doc_id", item.doc->id},       {"choices", item.doc->choices},         {"repeat", item.repeat}};
  if (const auto* score = std::get_if<ScoreJob>(&item.job)) {
    key["context"] = score->context;
    key["continuations"] = score->continuations;
  } else {
    const GenerateJob& job = std::get<GenerateJob>(item.job);
    const Sampling& s = job.sampling;
    key["prompt"] = job.prompt;
    key["max_tokens"] = job.max_tokens;
    key["stop"] = job.stop;
    if (job.ignore_stops) key["ignore_stops"] = true;
    key["temperature"] = s.temperature;
    if (s.temperature > 0) key["sampling"] = {s.top_k, s.top_p, s.min_p, s.seed};
    key["frequency_penalty"] = s.frequency_penalty;
    key["stop_ids"] = backend.stop_ids;
    key["template"] = backend.template_hash;  // it tells how thoughts are marked
    // The window matters where it may cut the reply.
    if (static_cast<std::int64_t>(job.prompt.size()) + job.max_tokens > backend.context) key["window"] = backend.context;
  }
  if (backend.router.experts_per_token) key["experts_per_token"] = *backend.router.experts_per_token;
  if (backend.router.renormalise) key["renormalise"] = *backend.router.renormalise;
  if (backend.cache != "f32") key["cache"] = backend.cache;
  if (backend.rope_length > 0) key["rope_length"] = backend.rope_length;
  // One item at a time changes no bit of an answer. But its times are the figure that is asked for, and those of a
  // batch must not stand in for them, nor the other way round.
  if (backend.mode != "throughput") key["mode"] = backend.mode;
  return sha256_hex(line_dump(key));
}

// Regimes that cannot be compared must not share a name: what is not the strategy's or the model's own is said.
std::string variant_of(const Strategy& strategy, const RunOptions& options, const BackendInfo& backend) {
  const RouterSetting& router = backend.router;
  std::vector<std::string> parts;
  if (strategy.kind == Kind::generate && options.max_tokens && *options.max_tokens != strategy.max_tokens) {
    parts.push_back(fmt::format("max_tokens_{}", *options.max_tokens));
  }
  if (router.experts_per_token) parts.push_back(fmt::format("experts_{}", *router.experts_per_token));
  if (router.renormalise) parts.emplace_back(*router.renormalise ? "renormalised" : "not_renormalised");
  if (strategy.kind == Kind::generate && options.ignore_stops) parts.emplace_back("ignore_stops");
  if (!backend.forms.empty()) parts.push_back(backend.forms);
  if (backend.rope_length > 0) parts.push_back(fmt::format("rope_length_{}", backend.rope_length));
  return fmt::format("{}", fmt::join(parts, "__"));
}

std::vector<std::size_t> chosen_items(const Condition& condition, const RunOptions& options) {
  const auto own = options.task_items.find(condition.task->name);
  const std::vector<ItemChoice>& choices = own != options.task_items.end() ? own->second : options.items;
  std::vector<std::size_t> out = resolve_items(choices, condition.data.docs, "--items for " + condition.label);
  if (choices.empty()) {
    for (std::size_t id = 0; id < condition.data.docs.size(); ++id) out.push_back(id);
  }
  if (options.limit && *options.limit < out.size()) out.resize(*options.limit);
  return out;
}

Job make_job(const Strategy& strategy, const Prompt& prompt, const RunOptions& options, int repeat, const TokenRules& rules) {
  if (strategy.kind == Kind::loglikelihood) {
    ScoreJob job;
    for (const std::string& continuation : prompt.continuations) {
      PairEncoding pair = encode_pair(rules, prompt.text, continuation);
      // A tokenizer that joins the end of the context with the choice may cut it elsewhere for each choice; the
      // context is what all have in common then, and each continuation keeps its own tokens.
      if (!job.continuations.empty() && pair.context != job.context) {
        throw Error(ErrorKind::unsupported, Fault{"", "tokens of a prompt", "one context for all choices", "several"});
      }
      job.context = std::move(pair.context);
      job.continuations.push_back(std::move(pair.continuation));
    }
    return job;
  }
  GenerateJob job;
  job.prompt = encode_prompt(rules, prompt.text, prompt.chat);
  if (prompt.chat) job.prompt_text = prompt.text;
  job.max_tokens = options.max_tokens.value_or(strategy.max_tokens);
  job.ignore_stops = options.ignore_stops;
  if (!job.ignore_stops) job.stop = strategy.stop;
  job.sampling = options.sampling;
  job.sampling.seed = options.seed + static_cast<std::uint64_t>(repeat);
  return job;
}

}  // namespace

std::unique_ptr<Condition> plan(const Task& task, const Strategy& strategy, const RunOptions& options, Backend& backend) {
  auto condition = std::make_unique<Condition>();
  condition->task = &task;
  condition->strategy = &strategy;
  condition->facts.variant = variant_of(strategy, options, backend.info());
  condition->label = label(task, strategy) + (condition->facts.variant.empty() ? "" : "__" + condition->facts.variant);
  condition->extractors = chosen_extractors(strategy, options);
  condition->data = load_split(task.dataset, task.eval_split, options.data);
  condition->original = condition->data.docs.size();
  if (strategy.order == ChoiceOrder::counterbalanced) counterbalance(condition->data.docs, options.seed);
  if (strategy.kind == Kind::loglikelihood && condition->data.docs.front().choices.empty()) {
    throw Error(ErrorKind::config, Fault{condition->data.file, condition->label, "documents with choices", "none"});
  }
  const FewShot& shots = strategy.fewshot;
  const int wanted = options.prompt.fewshot < 0 ? shots.count : options.prompt.fewshot;
  if (wanted > 0 && (shots.sampler == ExampleSampler::first || shots.sampler == ExampleSampler::random)) {
    condition->pool = load_split(task.dataset, shots.split, options.data);
  }
  const PromptBuilder builder(task, strategy, condition->data.docs, &condition->pool.docs, options.prompt, backend.chat());

  RunFacts& facts = condition->facts;
  facts.backend = backend.info();
  facts.task = task.name;
  facts.strategy = strategy.name;
  facts.label = condition->label;
  facts.task_version = task.version;
  facts.task_hash = task.hash;
  facts.data_file = condition->data.file;
  facts.data_hash = condition->data.hash;
  facts.ignore_stops = strategy.kind == Kind::generate && options.ignore_stops;
  facts.chat = builder.chat();
  facts.system = options.prompt.system;
  facts.sampling = options.sampling;
  facts.fewshot = builder.fewshot();
  facts.seed = options.seed;
  facts.fewshot_seed = options.prompt.fewshot_seed;

  // Without sampling every repeat would be the same.
  const int repeats = strategy.kind == Kind::generate && options.sampling.temperature > 0 ? options.repeats : 1;
  for (const std::size_t id : chosen_items(*condition, options)) {
    for (int repeat = 0; repeat < repeats; ++repeat) {
      Item item;
      item.doc = &condition->data.docs[id];
      item.repeat = repeat;
      item.prompt = builder.build(id);
      item.prompt_hash = sha256_hex(item.prompt.text);
      try {
        item.job = make_job(strategy, item.prompt, options, repeat, backend.tokens());
      } catch (const Error& error) {
        item.error = error.what();
        if (strategy.kind == Kind::generate) item.job = GenerateJob{};
      }
      item.key = item_key(*condition, item);
      condition->items.push_back(std::move(item));
    }
  }
  return condition;
}

}  // namespace moe::eval
