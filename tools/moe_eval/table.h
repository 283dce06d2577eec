// The table at the end of a run.
#pragma once

#include <string>
#include <vector>

#include "eval/run/results.h"

namespace moe::tools {

// Above this share of truncated answers a table says so loudly: the accuracy measures the cap then.
inline constexpr double kLoudTruncation = 0.05;

// One line a condition and chain: accuracy in percent with its 95 % Wilson interval, accuracy on completed items, rates
// of truncated, unparsed and empty answers, exact FLOPs an item; then loud lines, if there is reason for any.
std::string result_table(const std::vector<eval::FinishedCondition>& conditions);

}  // namespace moe::tools
