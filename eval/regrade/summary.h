// Counting graded responses: accuracy, and apart from it what could not be read or decided.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "eval/grade/grade.h"
#include "eval/regrade/stored.h"

namespace moe::eval {

struct GradeCounts {
  std::size_t n = 0, correct = 0;
  std::size_t unparsed = 0;   // the chain found no answer; counted as wrong
  std::size_t undecided = 0;  // no verdict; neither right nor wrong
  std::size_t empty = 0;      // nothing but white space, or a thought that never ended
  std::optional<std::size_t> truncated;  // nothing where no record tells

  double accuracy() const { return n == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(n); }
};

struct GradeKey {
  std::string model, task, strategy;
  std::vector<std::string> regime;  // StoredResponse's
  std::string chain;
  bool operator<(const GradeKey& other) const {
    return std::tie(model, task, strategy, regime, chain) <
           std::tie(other.model, other.task, other.strategy, other.regime, other.chain);
  }
};

using GradeSummary = std::map<GradeKey, GradeCounts>;

// The strategy's name, and of the regime what others under that name do not share: "cot", or "cot, temperature 0.9".
std::string distinct_name(const GradeSummary& summary, const GradeKey& key);

void count(GradeSummary& summary, const StoredResponse& stored, const Chain& chain, const Scored& scored);

// The chains of a comma-separated list, each once. Throws Error (usage) for an empty list or an unknown name.
std::vector<const Chain*> parse_chains(const std::string& list);

}  // namespace moe::eval
