// Counting graded responses.
#include "eval/regrade/summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/base/error.h"
#include "eval/extract/scan.h"

namespace moe::eval {

void count(GradeSummary& summary, const StoredResponse& stored, const Chain& chain, const Scored& scored) {
  GradeCounts& counts = summary[{stored.model, stored.task, stored.strategy, stored.regime, std::string(chain.name)}];
  const Response response = stored.response();
  ++counts.n;
  counts.correct += scored.verdict == Verdict::equal ? 1 : 0;
  counts.unparsed += scored.extraction.found() ? 0 : 1;
  counts.undecided += scored.verdict == Verdict::undecided ? 1 : 0;
  counts.empty += strip(response.answer).empty() ? 1 : 0;
  if (stored.truncated) counts.truncated = counts.truncated.value_or(0) + (*stored.truncated ? 1 : 0);
}

std::string distinct_name(const GradeSummary& summary, const GradeKey& key) {
  std::vector<std::string> parts = {key.strategy};
  for (const std::string& part : key.regime) {
    const bool common = std::ranges::all_of(summary, [&](const auto& entry) {
      const GradeKey& other = entry.first;
      const bool akin = other.model == key.model && other.task == key.task && other.strategy == key.strategy;
      return !akin || std::ranges::find(other.regime, part) != other.regime.end();
    });
    if (!common) parts.push_back(part);
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::vector<const Chain*> parse_chains(const std::string& list) {
  std::vector<const Chain*> chains;
  std::string_view rest = list;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view name = strip(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (name.empty()) continue;
    const Chain* chain = &find_chain(name);
    if (std::find(chains.begin(), chains.end(), chain) == chains.end()) chains.push_back(chain);
  }
  if (chains.empty())
    throw Error(ErrorKind::usage, Fault{"", "extractor chains", "at least one name", "none"});
  return chains;
}

}  // namespace moe::eval
