// moe-eval grade: stored responses graded again, without a model.
#include "tools/moe_eval/grade.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "engine/base/error.h"
#include "eval/regrade/stored.h"
#include "eval/regrade/summary.h"
#include "eval/util/json.h"
#include "tools/common/program.h"

namespace moe::tools {
namespace {

using namespace moe::eval;

struct Options {
  std::vector<std::string> files;
  std::string chains = "strict,lenient";
  std::string kind;
  bool json = false;
};

std::string json_row(const StoredResponse& stored,
                     const std::vector<std::pair<const Chain*, Scored>>& results) {
  Json row = {{"id", stored.id}, {"task", stored.task}, {"strategy", stored.strategy}, {"gold", stored.gold}};
  if (!stored.regime.empty()) row["regime"] = stored.regime;
  for (const auto& [chain, scored] : results) {
    const std::optional<bool> correct = scored.correct();
    row[std::string(chain->name)] = {
        {"value", scored.extraction.found() ? Json(scored.extraction.value) : Json()},
        {"rule", text_or_null(scored.extraction.rule)},
        {"correct", correct ? Json(*correct) : Json()}};
  }
  // Responses may hold any bytes; what is not UTF-8 is replaced, so that each row is valid JSON.
  return row.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The widest cell of a column, its header included.
template <class Cell>
std::size_t width(const GradeSummary& summary, std::string_view header, Cell cell) {
  std::size_t most = header.size();
  for (const auto& [key, counts] : summary) most = std::max(most, cell(key).size());
  return most;
}

void print_table(const GradeSummary& summary) {
  const bool models = std::any_of(summary.begin(), summary.end(),
                                  [](const auto& entry) { return !entry.first.model.empty(); });
  const std::size_t model =
      models ? width(summary, "model", [](const GradeKey& key) { return key.model; }) + 2 : 0;
  const std::size_t task = width(summary, "task", [](const GradeKey& key) { return key.task; }) + 2;
  const std::size_t strategy =
      width(summary, "strategy", [&](const GradeKey& key) { return distinct_name(summary, key); }) + 2;
  const std::size_t chain = width(summary, "chain", [](const GradeKey& key) { return key.chain; }) + 2;
  fmt::print("{:<{}}{:<{}}{:<{}}{:<{}}{:>6} {:>9} {:>9} {:>10} {:>6} {:>10}\n", models ? "model" : "", model,
             "task", task, "strategy", strategy, "chain", chain, "n", "accuracy", "unparsed", "undecided",
             "empty", "truncated");
  for (const auto& [key, c] : summary) {
    fmt::print("{:<{}}{:<{}}{:<{}}{:<{}}{:>6} {:>8.2f}% {:>9} {:>10} {:>6} {:>10}\n", key.model, model,
               key.task, task, distinct_name(summary, key), strategy, key.chain, chain, c.n, 100 * c.accuracy(), c.unparsed,
               c.undecided, c.empty, c.truncated ? fmt::format("{}", *c.truncated) : "-");
  }
}

int grade_files(const Options& options) {
  const std::vector<const Chain*> chains = parse_chains(options.chains);
  const auto kind = options.kind.empty() ? std::nullopt : std::optional(answer_kind_from_name(options.kind));
  GradeSummary summary;
  for (const std::string& path : options.files) {
    const StoredFile file = read_stored(path, kind, [&](const StoredResponse& stored) {
      std::vector<std::pair<const Chain*, Scored>> results;
      for (const Chain* chain : chains) {
        results.emplace_back(chain, score(*chain, stored.question, stored.response(), stored.gold));
        count(summary, stored, *chain, results.back().second);
      }
      if (options.json) fmt::print("{}\n", json_row(stored, results));
    });
    if (file.cut_bytes > 0) {
      print_warning("moe-eval",
                    fmt::format("{}: left out an unfinished last line of {} bytes", path, file.cut_bytes));
    }
    if (file.superseded > 0) {
      print_warning("moe-eval", fmt::format("{}: left out {} records of items that were run again later", path, file.superseded));
    }
    if (file.without_response > 0) {
      print_warning("moe-eval",
                    fmt::format("{}: {} records hold no response (scored by likelihood, or failed)", path,
                                file.without_response));
    }
  }
  if (!options.json) print_table(summary);
  return kDone;
}

}  // namespace

Command add_grade_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand(
      "grade", "Grade stored responses again: journals, lm_eval's samples_*.jsonl, CSV (.gz)");
  sub->add_option("FILE", options->files, "Files of stored responses; the kind is told by the content")
      ->required();
  sub->add_option("--extractor", options->chains, "Chains, separated by commas (see 'moe-eval ls')")->type_name("NAMES")
      ->capture_default_str();
  sub->add_option("--kind", options->kind, "number, math or choice, where task and gold answer do not tell")->type_name("NAME");
  sub->add_flag("--json", options->json, "One JSON object a response on stdout, in place of the table");
  return {sub, [options] { return grade_files(*options); }};
}

}  // namespace moe::tools
