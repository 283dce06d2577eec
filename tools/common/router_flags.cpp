#include "tools/common/router_flags.h"

#include <map>
#include <nlohmann/json.hpp>

#include "engine/base/atomic_file.h"
#include "tools/common/program.h"
#include "tools/common/routing_json.h"

namespace moe::tools {

CLI::Option_group* add_router_flags(CLI::App& app, models::RouterOverride& change) {
  CLI::Option_group* group = app.add_option_group("Experiments with the router");
  group->add_option("--experts-per-token", change.experts_per_token,
                    "Experts a token goes to, in place of the checkpoint's number");
  group
      ->add_option("--renormalise,--renormalize", change.renormalise,
                   "Whether the chosen experts' weights are made to sum to 1 (on/off)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, bool>{{"on", true}, {"off", false}}));
  return group;
}

void add_routing_stats_flags(CLI::App& group, RoutingStatsFlags& flags) {
  group.add_option(
      "--routing-stats", flags.file,
      "Write load, weights, entropy, balance, pairs and working sets of the experts to FILE (JSON)")->type_name("FILE")->check(kNamed);
  group.add_option("--routing-window", flags.window, "Tokens of a working set")
      ->check(CLI::Range(1, INT32_MAX))
      ->capture_default_str();
}

void write_routing_stats(const RoutingStats& stats, const std::string& file) {
  write_file_atomically(file, routing_json(stats).dump() + "\n");
}

void check_writable(const RoutingStatsFlags& flags) {
  if (!flags.file.empty()) AtomicFile probe(flags.file);
}

}  // namespace moe::tools
