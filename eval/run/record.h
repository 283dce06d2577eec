// One item's record: what stands in a journal line, and how it is scored.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/dataset/doc.h"
#include "eval/prompt/prompt.h"
#include "eval/run/backend.h"
#include "eval/tasks/task.h"

namespace moe::eval {

// One answer read out of a response, or chosen by likelihood, and its verdict.
struct Reading {
  std::string chain;   // an extractor's name, or a metric: acc, acc_norm
  std::string value;   // empty: nothing was found
  std::string rule;    // which rule found it
  std::optional<bool> correct;  // nothing: undecided
};

// An item to be asked: everything that is known before the model runs.
struct Item {
  const Doc* doc = nullptr;
  Prompt prompt;
  Job job;
  int repeat = 0;
  std::string key;          // SHA-256 over all that changes the output
  std::string prompt_hash;  // of its text, as lm_eval has it
  std::string error;        // not empty: it cannot be asked (a choice without tokens)
};

// What a finished item comes to, whether it ran now or stands in the journal.
struct Outcome {
  JobResult result;
  std::vector<Reading> readings;
  double seconds = 0;            // since the outcome before it: these add up to the run's
  std::optional<double> joules;  // likewise, of the whole machine; nothing where it does not tell

  bool failed() const { return !result.error.empty(); }
  bool truncated() const { return result.finish_reason == "length" || result.finish_reason == "context"; }
  bool empty() const { return result.answer.find_first_not_of(" \t\r\n") == std::string::npos; }
};

// Scores an outcome's log-likelihoods or response. The best choice is one that no other equals: a tie gives a
// reading without a value, which is wrong. Throws Error (usage) for an extractor that does not exist.
std::vector<Reading> read_answers(const Task& task, const Strategy& strategy, const Doc& doc, const JobResult& result,
                                  const std::vector<ExtractorSpec>& extractors);

// All choices of the item have one and the same log-likelihood.
bool all_choices_tie(const JobResult& result);

// What every record of a run says alike.
struct RunFacts {
  BackendInfo backend;
  std::string task, strategy, label, task_version, task_hash, data_file, data_hash;
  // How the condition differs from its strategy's cap and the model's own routing ("max_tokens_64__experts_4"); empty:
  // in nothing.
  std::string variant;
  bool ignore_stops = false;  // replies ran to their cap
  bool chat = false;
  std::string system;  // text before everything else; empty: none
  int fewshot = 0;
  std::uint64_t seed = 0, fewshot_seed = 0;
  Sampling sampling;
};

// One journal line (without its end).
std::string record_line(const RunFacts& facts, const Strategy& strategy, const Item& item, const Outcome& outcome);

// The proxies for an item's FLOPs that papers report, as if it were alone. A scored item counts each of its choices
// with the whole context.
struct ItemProxies {
  std::uint64_t twice_active = 0, with_attention = 0, by_component = 0;
};
ItemProxies item_proxies(const CostProxies& proxies, const Job& job, const JobResult& result);

// What a run needs to know of a line it finds in the journal.
struct StoredRecord {
  std::string model, model_hash, key;
  Outcome outcome;  // without readings
};

// Throws Error (format) naming file and line where it is no record.
StoredRecord parse_record(std::string_view line, const std::string& file, std::size_t number);

}  // namespace moe::eval
