// What the routers chose during a run, condition by condition, in one file.
#pragma once

#include <nlohmann/json.hpp>

#include "eval/run/backend.h"
#include "eval/run/runner.h"
#include "tools/common/router_flags.h"

namespace moe::tools {

class RoutingReport {
 public:
  // Throws Error (io) where the file cannot be written: hours should not be spent before that is known.
  explicit RoutingReport(const RoutingStatsFlags& flags);

  // Adds what `backend` collected for this condition, begins anew for the next one, and writes the file
  // again, so that an interrupted sweep keeps what it has. A condition that ran nothing is left out: its
  // items stood in the journal.
  void add(const eval::Condition& condition, const eval::Summary& summary, eval::Backend& backend);

 private:
  const RoutingStatsFlags& flags_;
  nlohmann::json cells_ = nlohmann::json::array();
};

}  // namespace moe::tools
