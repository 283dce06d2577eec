// Results in lm_eval's files, so that its tools read them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/run/runner.h"

namespace moe::eval {

// One finished condition.
struct FinishedCondition {
  const Condition* condition = nullptr;
  Summary summary;
  std::vector<std::optional<Outcome>> outcomes;
};

struct ResultOptions {
  double started = 0;        // seconds since the epoch
  double seconds = 0;        // wall time of the whole run
  std::optional<std::size_t> limit;
  std::string model_arguments;
};

// The directory of a model's files below `output`: forbidden characters of the name become "__", as in lm_eval.
std::string model_directory(const std::string& output, const std::string& model);

// Creates the directory and proves that files can be made in it, before hours are spent. Throws Error (io).
void prepare_directory(const std::string& directory);

// Writes results_<time>.json and one samples_<label>_<time>.jsonl a condition, each by rename. Returns the path of
// the first. Throws Error (io).
std::string write_results(const std::string& directory, const std::vector<FinishedCondition>& conditions,
                          const BackendInfo& backend, const ResultOptions& options);

}  // namespace moe::eval
