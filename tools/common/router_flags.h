// Flags of experiments with a model's router, the same in every program.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "engine/runtime/routing_stats.h"
#include "models/registry.h"

namespace moe::tools {

// --experts-per-token and --renormalise. `change` must outlive the parsing.
CLI::Option_group* add_router_flags(CLI::App& app, models::RouterOverride& change);

struct RoutingStatsFlags {
  std::string file;  // empty: none are wanted
  std::int32_t window = 64;
};
// --routing-stats and --routing-window.
void add_routing_stats_flags(CLI::App& group, RoutingStatsFlags& flags);

// Throws Error (io) where the file cannot be made: that should not cost a long run.
void check_writable(const RoutingStatsFlags& flags);
// Writes docs/routing.md's JSON.
void write_routing_stats(const RoutingStats& stats, const std::string& file);

}  // namespace moe::tools
