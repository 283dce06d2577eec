#include "tools/moe_eval/routing_report.h"

#include <fmt/format.h>

#include "engine/base/atomic_file.h"
#include "tools/common/program.h"
#include "tools/common/routing_json.h"

namespace moe::tools {

using namespace moe::eval;

RoutingReport::RoutingReport(const RoutingStatsFlags& flags) : flags_(flags) { check_writable(flags); }

void RoutingReport::add(const Condition& condition, const Summary& summary, Backend& backend) {
  RoutingStats* stats = backend.routing();
  if (stats == nullptr) return;
  const std::size_t ran = summary.finished - summary.failed - summary.reused;
  if (summary.reused > 0) {
    print_warning("moe-eval",
                  fmt::format("{}: the routing statistics hold the {} items that ran now, not the {} that "
                              "stood in the journal",
                              condition.label, ran, summary.reused));
  }
  if (ran > 0) {
    nlohmann::json cell = routing_json(*stats);
    cell["model"] = condition.facts.backend.model;
    cell["condition"] = condition.label;
    cell["task"] = condition.facts.task;
    cell["strategy"] = condition.facts.strategy;
    cell["variant"] = condition.facts.variant;
    cell["items"] = ran;
    cells_.push_back(std::move(cell));
    write_file_atomically(flags_.file, nlohmann::json{{"cells", cells_}}.dump() + "\n");
  }
  stats->clear();
}

}  // namespace moe::tools
