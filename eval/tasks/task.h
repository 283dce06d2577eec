// What a benchmark task is, as data: where its rows come from and, for each strategy, how they are asked and scored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/tasks/text_template.h"

namespace moe::eval {

struct Split {
  std::vector<std::string> files;   // names tried in order; the same rows in different shapes
  std::optional<std::size_t> rows;  // how many the published file has
};

struct DatasetSpec {
  std::string name;                                        // also the folder looked in below the data directory
  std::string format;                                      // arc, gsm8k, math, truthfulqa, table
  std::string source;                                      // where users get it
  std::map<std::string, Split> splits;
  std::map<std::string, std::string> fields;               // format "table": our field -> column or JSON pointer
  std::map<std::string, std::vector<std::string>> where;   // keep rows whose field is one of these values
};

enum class Kind { loglikelihood, generate };

// One way to read an answer out of a response. Either a named chain of eval/extract, or a pattern of its own.
struct ExtractorSpec {
  std::string name;      // as it stands in records
  std::string chain;     // named chain; empty where `pattern` says it
  std::string pattern;   // PCRE2
  bool last = false;     // last match instead of first
};

// How an answer read by a pattern is compared with the target; a named chain brings its own comparison.
struct MatchSpec {
  bool ignore_case = false;
  bool ignore_punctuation = false;
  std::vector<std::string> ignore;      // patterns removed from both sides first, in order
};

enum class ExampleSampler { none, first, random, listed };

struct FewShot {
  int count = 0;
  ExampleSampler sampler = ExampleSampler::none;
  std::string split;                                          // pool for first and random
  std::vector<std::map<std::string, std::string>> examples;   // sampler listed
  TextTemplate prompt, target;
  std::string delimiter;
};

enum class ChoiceOrder { file, counterbalanced };
enum class ChatUse { never, if_present };

struct Strategy {
  std::string name;
  std::string note;            // one line for `moe-eval ls`
  Kind kind = Kind::generate;
  ChatUse chat = ChatUse::never;
  std::string system;
  TextTemplate prompt, target, continuation;
  std::string target_delimiter = " ";
  std::string response_prefix;  // put after the prompt, before what the model writes
  FewShot fewshot;
  // Lettered choices inside a prompt: {choices}.
  TextTemplate choice_line;
  std::string choice_join = "\n";
  std::size_t most_choices = 0;  // 0: all
  ChoiceOrder order = ChoiceOrder::file;
  std::vector<std::string> stop;
  int max_tokens = 0;
  std::vector<ExtractorSpec> extractors;
  MatchSpec match;
  std::string answer_kind;           // generate: number, math or choice
  std::vector<std::string> metrics;  // loglikelihood: acc, acc_norm, acc_bytes; generate: exact_match
  bool lm_eval = false;              // requests equal those of lm_eval's task of this name
};

struct Task {
  std::string name, version, title, file;
  DatasetSpec dataset;
  std::string eval_split;
  std::string default_strategy;
  std::vector<Strategy> strategies;
  std::string hash;  // of the task file's text

  // Throws Error (usage) naming the known strategies.
  const Strategy& strategy(std::string_view name) const;
};

// Parses and checks one task file. Throws Error (config/format) naming file, key, expected and found.
Task parse_task(std::string_view json_text, const std::string& file);

// The tasks a run can name: those built in, then those of each directory (every *.json in it), which may not
// redefine a name.
class TaskRegistry {
 public:
  explicit TaskRegistry(const std::vector<std::string>& include_directories = {});

  const std::vector<Task>& tasks() const { return tasks_; }
  // Throws Error (usage) listing the known names.
  const Task& find(std::string_view name) const;

 private:
  std::vector<Task> tasks_;
};

// The label of one task under one strategy in tables and lm_eval's files: the task's name alone for lm_eval's own
// regime, else "task__strategy", so that numbers that cannot be compared never share a name.
std::string label(const Task& task, const Strategy& strategy);

// A task file that the library carries; filled in by the build from eval/tasks/builtin.
struct BuiltinFile {
  std::string_view name;
  std::string_view text;
};
const std::vector<BuiltinFile>& builtin_task_files();

}  // namespace moe::eval
