// Loads models, from checkpoints or made up, and times tests on them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "tools/moe_bench/bench.h"

namespace moe::tools {

struct BenchModel {
  std::string name;
  std::shared_ptr<const Model> model;
  bool random = false;
};
// `model` is a directory, org/name, or a config.json. Weights are made up where `random` says so or there are
// none. `weights` is one of the options' forms.
BenchModel load_bench_model(const std::string& model, const std::string& weights, const BenchOptions& options,
                            kernels::ThreadTeam& team);

// Runs every test of the options and tells `done` of the results of each (model, weights, threads), together.
// Returns early where the user interrupts; results that are complete have been told by then.
void run_bench(const BenchOptions& options, const std::function<void(std::span<const BenchResult>)>& done);

}  // namespace moe::tools
