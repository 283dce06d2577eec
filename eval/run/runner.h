// Runs conditions (a task under a strategy) through a model, item by item into the journal, and adds them up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/journal/journal.h"
#include "eval/run/items.h"
#include "eval/run/record.h"
#include "eval/stats/proportion.h"

namespace moe::eval {

struct RunOptions {
  std::vector<std::string> data;              // directories of benchmark files
  std::optional<std::size_t> limit;           // the first so many items
  std::vector<ItemChoice> items;              // or these; empty: all
  std::map<std::string, std::vector<ItemChoice>> task_items;  // for single tasks, in place of `items`
  PromptOptions prompt;
  std::uint64_t seed = 42;                    // sampling, and the order of choices
  std::vector<std::string> extractors;        // replaces the strategy's chains; empty: its own
  std::optional<int> max_tokens;              // replaces the strategy's cap
  bool ignore_stops = false;                  // replies run to their cap: for measuring time, not accuracy
  Sampling sampling;
  int repeats = 1;                            // samples of each item
};

// A condition ready to run.
struct Condition {
  const Task* task = nullptr;
  const Strategy* strategy = nullptr;
  std::string label;
  Dataset data, pool;
  std::vector<ExtractorSpec> extractors;
  RunFacts facts;
  std::vector<Item> items;
  std::size_t original = 0;  // documents before any limit
};

// Reads the data, builds and tokenizes every prompt. Throws Error naming what is missing or makes no sense.
std::unique_ptr<Condition> plan(const Task& task, const Strategy& strategy, const RunOptions& options, Backend& backend);

// One chain's or metric's count.
struct Tally {
  std::string chain;
  std::size_t scored = 0, correct = 0, undecided = 0, unparsed = 0;
  std::size_t completed_correct = 0;
};

// What a condition comes to.
struct Summary {
  const Condition* condition = nullptr;
  std::vector<Tally> tallies;
  std::size_t items = 0, finished = 0, failed = 0, reused = 0;  // every sample counts as an item
  std::size_t samples = 1;                                      // of one document
  std::size_t truncated = 0, empty = 0, unclosed = 0, tied = 0, all_tied = 0, completed = 0;
  std::uint64_t prompt_tokens = 0, shared_tokens = 0, answer_tokens = 0, thought_tokens = 0;
  Costs executed, alone;
  ItemProxies proxies;
  double seconds = 0;       // wall time of what ran now
  double item_seconds = 0;  // of all items, also those that ran before
  double joules = 0;        // of the items whose energy is known
  std::size_t with_energy = 0;
  std::uint64_t ran_tokens = 0;  // read or written by what ran now
  std::string first_error;
  bool interrupted = false;
};

// The 95 % interval of a tally's accuracy. Samples of one document are not independent of each other, so they count
// together as one.
Interval accuracy_interval(const Summary& summary, const Tally& tally);

struct RunHooks {
  std::function<bool()> interrupted;
  // After each item, and once before the first.
  std::function<void(const Summary&)> progress;
  std::function<void(const std::string&)> warn;
  // Joules since some moment; nothing where the machine does not tell. Empty: nobody asks.
  std::function<std::optional<double>()> joules;
};

// The journal of one output directory with what stands in it.
class RunJournal {
 public:
  // Errors as Journal, and format for a line that is no record.
  RunJournal(const std::string& path, const std::function<void(const std::string&)>& warn);

  // The outcome of this key, if it stands there and did not fail.
  const Outcome* find(const std::string& key) const;
  // Throws Error (usage) where the journal holds records of the same model by name with other files.
  void check_model(const BackendInfo& info) const;
  void append(const std::string& key, std::string_view line, const Outcome& outcome);
  // Returns once everything is on disk.
  void flush() { journal_->flush(); }
  const std::string& path() const { return journal_->path(); }

 private:
  std::unique_ptr<Journal> journal_;
  std::map<std::string, Outcome> outcomes_;
  std::map<std::string, std::string> models_;  // name -> hash of its files
};

// Runs what the journal does not have yet. `outcomes` gets one entry an item, in order (absent: not reached).
// Throws Error where the journal cannot be written, and (config) where the model cannot tell any choices apart.
Summary run(const Condition& condition, Backend& backend, RunJournal& journal, const RunHooks& hooks,
            std::vector<std::optional<Outcome>>& outcomes);

}  // namespace moe::eval
