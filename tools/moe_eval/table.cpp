// The table at the end of a run.
#include "tools/moe_eval/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/stats/proportion.h"
#include "tools/common/progress.h"

namespace moe::tools {

using namespace moe::eval;

namespace {

double share(std::size_t part, std::size_t whole) { return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole); }
std::string percent(double value) { return fmt::format("{:.1f}", 100 * value); }

// Times of items that ran alone are latencies; those of batches are shares of a run's wall time. They never stand in
// one column.
bool alone(const FinishedCondition& finished) { return finished.condition->facts.backend.mode == "latency"; }

std::string time_heading(const std::vector<FinishedCondition>& conditions) {
  return !conditions.empty() && alone(conditions.front()) ? "latency s" : "wall s an item";
}

double time_of_an_item(const FinishedCondition& finished) {
  double seconds = 0;
  std::size_t items = 0;
  for (const auto& outcome : finished.outcomes) {
    if (!outcome || outcome->failed()) continue;
    ++items;
    seconds += alone(finished) ? outcome->result.prefill_s + outcome->result.decode_s : outcome->seconds;
  }
  return items == 0 ? 0 : seconds / static_cast<double>(items);
}

std::string format_rows(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> width;
  for (const auto& row : rows) {
    width.resize(std::max(width.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      // Names to the left, numbers to the right.
      line += c < 2 ? fmt::format("{:<{}}  ", row[c], width[c]) : fmt::format("{:>{}}  ", row[c], width[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

}  // namespace

std::string result_table(const std::vector<FinishedCondition>& conditions) {
  std::vector<std::vector<std::string>> rows = {{"task", "chain", "n", "correct %", "95 % interval", "of completed %",
                                                 "truncated %", "unparsed %", "empty %", "FLOPs an item", "tokens an item",
                                                 time_heading(conditions)}};
  const bool energy = std::ranges::any_of(conditions, [](const FinishedCondition& one) { return one.summary.with_energy > 0; });
  if (energy) rows[0].emplace_back("joules an item");
  std::string loud;
  for (const FinishedCondition& finished : conditions) {
    const Summary& s = finished.summary;
    const std::size_t ran = s.finished - s.failed;
    const bool scored = finished.condition->strategy->kind == Kind::loglikelihood;
    for (const Tally& tally : s.tallies) {
      const Interval interval = accuracy_interval(s, tally);
      const Flops flops = s.executed.total();
      const double items = static_cast<double>(std::max<std::size_t>(ran, 1));
      const auto tokens = s.prompt_tokens + s.answer_tokens + s.thought_tokens;
      rows.push_back({finished.condition->label, tally.chain, fmt::format("{}", tally.scored),
                      percent(share(tally.correct, tally.scored)),
                      fmt::format("{} - {}", percent(interval.low), percent(interval.high)),
                      scored ? "-" : percent(share(tally.completed_correct, s.completed)),
                      scored ? "-" : percent(share(s.truncated, ran)), scored ? "-" : percent(share(tally.unparsed, ran)),
                      scored ? "-" : percent(share(s.empty, ran)),
                      format_count(static_cast<double>(flops.class_a + flops.class_b) / items),
                      fmt::format("{:.0f}", static_cast<double>(tokens) / items), fmt::format("{:.2f}", time_of_an_item(finished))});
      if (energy) rows.back().push_back(s.with_energy == 0 ? "-" : fmt::format("{:.1f}", s.joules / static_cast<double>(s.with_energy)));
    }
    const std::string& name = finished.condition->label;
    if (finished.condition->facts.ignore_stops) {
      loud += fmt::format(
          "*** {}: stops were IGNORED, so that every reply ran to its cap: these are times, and the "
          "accuracy means nothing\n",
          name);
    } else if (share(s.truncated, ran) > kLoudTruncation) {
      loud += fmt::format("*** {}: {} of {} answers were CUT OFF at the token cap; the accuracy measures the cap as well "
                          "(raise it with --max-tokens)\n", name, s.truncated, ran);
    }
    if (s.tied > 0) loud += fmt::format("{}: {} items had no single best choice; a tie counts as wrong\n", name, s.tied);
    if (s.unclosed > 0) loud += fmt::format("{}: {} thoughts were never closed; no answer was read from them\n", name, s.unclosed);
    for (const Tally& tally : s.tallies) {
      if (tally.undecided > 0) {
        loud += fmt::format("{}: {} verdicts of {} are undecided and count neither as right nor as parsed wrong\n", name,
                            tally.undecided, tally.chain);
      }
    }
    if (s.failed > 0) {
      loud += fmt::format("*** {}: {} of {} items FAILED and are not in the accuracy; first reason: {}\n", name, s.failed,
                          s.items, s.first_error);
    }
    if (s.interrupted) loud += fmt::format("{}: interrupted, {} of {} items are done\n", name, s.finished, s.items);
  }
  return format_rows(rows) + loud;
}

}  // namespace moe::tools
