// Journal lines: records written and read back.
#include "eval/run/record.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "engine/base/error.h"
#include "engine/base/sha256.h"
#include "eval/util/json.h"

namespace moe::eval {
namespace {

// What is JSON, but no record.
class NotARecord : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

Json costs_json(const Costs& costs) {
  const Flops total = costs.total();
  Json components = Json::object();
  for (std::size_t i = 0; i < kComponents; ++i) {
    const Flops& part = costs.components[i];
    if (part == Flops{}) continue;
    components[std::string(name(static_cast<Component>(i)))] = {{"class_a", part.class_a}, {"class_b", part.class_b}};
  }
  return {{"tokens", costs.tokens},           {"class_a", total.class_a},
          {"class_b", total.class_b},         {"weight_bytes", costs.weight_bytes},
          {"kv_bytes", costs.kv_bytes},       {"params_touched", costs.params_touched},
          {"components", std::move(components)}};
}

// Json::get would turn a negative number or a fraction into another count.
std::uint64_t count_from(const Json& json, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
  if (json.is_number_unsigned() && json.get<std::uint64_t>() <= most) return json.get<std::uint64_t>();
  throw NotARecord(describe_json(json) + " where a count belongs");
}

// Tokens, or the id of one: proxies calculate with the number.
std::uint64_t tokens_from(const Json& json) { return count_from(json, std::numeric_limits<std::int32_t>::max()); }

Costs costs_from(const Json& json) {
  Costs costs;
  costs.tokens = tokens_from(json.at("tokens"));
  costs.weight_bytes = count_from(json.at("weight_bytes"));
  costs.kv_bytes = count_from(json.at("kv_bytes"));
  costs.params_touched = count_from(json.at("params_touched"));
  for (const auto& [key, part] : json.at("components").items()) {
    for (std::size_t i = 0; i < kComponents; ++i) {
      if (name(static_cast<Component>(i)) != key) continue;
      costs.components[i] = {count_from(part.at("class_a")), count_from(part.at("class_b"))};
    }
  }
  return costs;
}

// JSON has no infinities; a likelihood of zero stays readable as a very low number's name.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(value > 0 ? "inf" : value < 0 ? "-inf" : "nan"); }

double number_from(const Json& json) {
  if (!json.is_string()) return json.get<double>();
  const std::string text = json.get<std::string>();
  if (text != "inf" && text != "-inf" && text != "nan") throw NotARecord(describe_json(json) + " where a number belongs");
  return text == "inf" ? INFINITY : text == "-inf" ? -INFINITY : NAN;
}

// The first chain that found something speaks for the record.
std::string first_value(const std::vector<Reading>& readings) {
  for (const Reading& reading : readings) {
    if (!reading.value.empty()) return reading.value;
  }
  return "";
}

template <class T>
Json choice_or_null(const std::optional<T>& choice) {
  return choice ? Json(*choice) : Json();
}

}  // namespace

ItemProxies item_proxies(const CostProxies& proxies, const Job& job, const JobResult& result) {
  ItemProxies sum;
  const auto add = [&](std::int64_t tokens, std::int64_t logit_rows) {
    sum.twice_active += proxies.twice_active(tokens);
    sum.with_attention += proxies.with_attention(tokens);
    sum.by_component += proxies.by_component(tokens, logit_rows);
  };
  if (const auto* score = std::get_if<ScoreJob>(&job)) {
    for (const TokenIds& one : score->continuations) {
      const auto rows = static_cast<std::int64_t>(one.size());
      add(static_cast<std::int64_t>(score->context.size()) + rows - 1, rows);
    }
  } else {
    const auto fed_back = static_cast<std::int64_t>(result.alone_decode.tokens);
    add(static_cast<std::int64_t>(std::get<GenerateJob>(job).prompt.size()) + fed_back, fed_back + 1);
  }
  return sum;
}

std::string record_line(const RunFacts& facts, const Strategy& strategy, const Item& item, const Outcome& outcome) {
  const BackendInfo& backend = facts.backend;
  const JobResult& result = outcome.result;
  const bool scored = strategy.kind == Kind::loglikelihood;
  Json extractor = Json::object(), correct = Json::object();
  bool unparsed = false;
  for (const Reading& reading : outcome.readings) {
    extractor[reading.chain] = {{"value", text_or_null(reading.value)},
                                {"rule", text_or_null(reading.rule)}};
    correct[reading.chain] = reading.correct ? Json(*reading.correct) : Json();
    unparsed = unparsed || (!scored && reading.rule.empty());
  }
  Json record = {{"model", backend.model},
                 {"task", facts.task},
                 {"strategy", facts.strategy},
                 {"variant", facts.variant},
                 {"doc_id", item.doc->id},
                 {"doc_hash", item.doc->hash},
                 {"prompt_text", item.prompt.text}};
  if (const auto* job = std::get_if<ScoreJob>(&item.job)) {
    record["prompt_tokens"] = job->context;
    record["continuations"] = item.prompt.continuations;
    record["continuation_tokens"] = job->continuations;
  } else {
    record["prompt_tokens"] = std::get<GenerateJob>(item.job).prompt;
  }
  const bool ran = !outcome.failed();
  record["response"] = scored || !ran ? Json() : Json(result.response);
  record["response_tokens"] = scored || !ran ? Json() : Json(result.response_tokens);
  record["thought"] = scored || !ran || (result.thought.empty() && !result.thought_unclosed) ? Json() : Json(result.thought);
  record["answer"] = !ran ? Json() : scored ? Json(first_value(outcome.readings)) : Json(result.answer);
  record["target"] = item.doc->target;
  record["extractor"] = std::move(extractor);
  record["correct"] = std::move(correct);
  record["finish_reason"] = ran ? result.finish_reason : "error";
  record["error"] = ran ? Json() : Json(result.error);
  if (scored && ran) {
    Json scores = Json::array();
    for (const double value : result.loglikelihoods) scores.push_back(number(value));
    record["loglikelihoods"] = std::move(scores);
    record["is_greedy"] = result.greedy;
  } else {
    record["loglikelihoods"] = Json();
  }
  record["tokens"] = {{"prompt", result.prompt_tokens}, {"shared", result.shared_tokens},
                      {"thought", result.thought_tokens}, {"answer", result.answer_tokens}};
  if (ran) {
    record["cost"] = {{"prefill", costs_json(result.prefill)},
                      {"decode", costs_json(result.decode)},
                      {"as_if_alone", {{"prefill", costs_json(result.alone_prefill)}, {"decode", costs_json(result.alone_decode)}}}};
    const ItemProxies proxies = item_proxies(backend.proxies, item.job, result);
    record["cost"]["proxy_2n_active"] = proxies.twice_active;
    record["cost"]["proxy_2n_attention"] = proxies.with_attention;
    record["cost"]["proxy_components"] = proxies.by_component;
  } else {
    record["cost"] = Json();
  }
  record["timing"] = {{"prefill_s", result.prefill_s}, {"decode_s", result.decode_s}, {"ttft_s", result.ttft_s},
                      {"wall_s", outcome.seconds}, {"mode", backend.mode}};
  if (outcome.joules) record["energy"] = {{"joules", *outcome.joules}, {"source", "rapl"}};
  record["memory"] = {{"after_load_rss_bytes", backend.after_load_rss_bytes}, {"peak_rss_bytes", peak_resident_bytes()}};
  record["key"] = item.key;
  record["flags"] = {{"hit_cap", ran && outcome.truncated()},
                     {"unparsed", ran && unparsed},
                     {"empty", ran && !scored && outcome.empty()},
                     {"thought_unclosed", result.thought_unclosed}};
  record["repeat"] = item.repeat;
  record["chat_template_applied"] = facts.chat;
  record["system_instruction"] = text_or_null(facts.system);
  record["reasoning"] = backend.reasoning;
  record["chat_template_kwargs"] = text_or_null(backend.chat_kwargs);
  record["num_fewshot"] = facts.fewshot;
  record["seed"] = facts.seed;
  record["fewshot_seed"] = facts.fewshot_seed;
  record["task_version"] = facts.task_version;
  record["choices"] = item.doc->choices;
  record["lm_eval_target"] = item.prompt.target;
  record["hashes"] = {{"model", backend.model_hash},       {"tokenizer", backend.tokenizer_hash},
                      {"template", backend.template_hash}, {"task", facts.task_hash},
                      {"data", facts.data_hash},           {"prompt", item.prompt_hash},
                      {"target", sha256_hex(item.prompt.target)}};
  if (const auto* job = std::get_if<GenerateJob>(&item.job)) {
    const Sampling& s = job->sampling;
    record["sampling"] = {{"temperature", s.temperature},
                          {"top_k", s.top_k},
                          {"top_p", s.top_p},
                          {"min_p", s.min_p},
                          {"frequency_penalty", s.frequency_penalty},
                          {"seed", s.seed},
                          {"max_tokens", job->max_tokens},
                          {"stop", job->stop},
                          {"ignore_stops", job->ignore_stops}};
  } else {
    record["sampling"] = Json();
  }
  record["env"] = {{"engine_version", backend.engine_version},
                   {"kernels", backend.kernels},
                   {"threads", backend.threads},
                   {"compute", backend.compute},
                   {"weights", backend.weights},
                   {"cache", backend.cache},
                   {"machine", backend.machine},
                   {"context", backend.context},
                   {"rope_length", backend.rope_length}};
  record["router"] = {{"experts_per_token", choice_or_null(backend.router.experts_per_token)},
                      {"renormalise", choice_or_null(backend.router.renormalise)}};
  record["data_file"] = facts.data_file;
  record["time"] = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return line_dump(record);
}

StoredRecord parse_record(std::string_view line, const std::string& file, std::size_t number) {
  const std::string thing = fmt::format("line {}", number);
  const Json json = parse_json(line, file, thing);
  StoredRecord record;
  try {
    record.model = json.at("model").get<std::string>();
    record.key = json.at("key").get<std::string>();
    record.model_hash = json.at("hashes").at("model").get<std::string>();
    Outcome& outcome = record.outcome;
    JobResult& result = outcome.result;
    result.finish_reason = json.at("finish_reason").get<std::string>();
    if (!json.at("error").is_null()) result.error = json["error"].get<std::string>();
    if (outcome.failed()) return record;
    if (!json.at("loglikelihoods").is_null()) {
      for (const Json& value : json["loglikelihoods"]) result.loglikelihoods.push_back(number_from(value));
      result.greedy = json.at("is_greedy").get<std::vector<bool>>();
      if (result.greedy.empty() || result.greedy.size() != result.loglikelihoods.size()) {
        throw NotARecord(fmt::format("{} loglikelihoods beside {} of \"is_greedy\"", result.loglikelihoods.size(), result.greedy.size()));
      }
    } else {
      result.response = json.at("response").get<std::string>();
      if (json.contains("response_tokens")) {  // not in the first journals
        for (const Json& id : json["response_tokens"]) result.response_tokens.push_back(std::int32_t(tokens_from(id)));
      }
      result.answer = json.at("answer").get<std::string>();
      if (!json.at("thought").is_null()) result.thought = json["thought"].get<std::string>();
      result.thought_unclosed = json.at("flags").at("thought_unclosed").get<bool>();
    }
    const Json& tokens = json.at("tokens");
    result.prompt_tokens = tokens_from(tokens.at("prompt"));
    result.shared_tokens = tokens_from(tokens.at("shared"));
    result.thought_tokens = tokens_from(tokens.at("thought"));
    result.answer_tokens = tokens_from(tokens.at("answer"));
    const Json& cost = json.at("cost");
    result.prefill = costs_from(cost.at("prefill"));
    result.decode = costs_from(cost.at("decode"));
    result.alone_prefill = costs_from(cost.at("as_if_alone").at("prefill"));
    result.alone_decode = costs_from(cost.at("as_if_alone").at("decode"));
    const Json& timing = json.at("timing");
    result.prefill_s = timing.at("prefill_s").get<double>();
    result.decode_s = timing.at("decode_s").get<double>();
    result.ttft_s = timing.at("ttft_s").get<double>();
    outcome.seconds = timing.at("wall_s").get<double>();
    if (json.contains("energy")) outcome.joules = json["energy"].at("joules").get<double>();
  } catch (const nlohmann::json::exception& e) {
    throw Error(ErrorKind::format, Fault{file, thing, "a record of this program", e.what()});
  } catch (const NotARecord& e) {
    throw Error(ErrorKind::format, Fault{file, thing, "a record of this program", e.what()});
  }
  return record;
}

}  // namespace moe::eval
