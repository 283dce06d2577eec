// Scores many contexts and their continuations in passes over many rows.
#pragma once

#include <functional>
#include <span>

#include "engine/runtime/executor.h"
#include "eval/run/backend.h"
#include "kernels/thread_team.h"

namespace moe::eval {

struct BatchOptions {
  bool share_prefix = true;   // across jobs
  std::size_t sequences = 64; // at once; 1: one job after the other
  std::int64_t context = 0;   // tokens a sequence may hold
  std::size_t kv_bytes = 0;   // memory for keys and values; 0: no bound
  std::function<bool()> interrupted;
};

// All jobs must be ScoreJobs. Each context is computed once for all of its continuations, what all contexts begin
// with once for all. Log-likelihoods are, to the bit, those of one job after the other. `done` as in Backend::run.
void score_batch(Executor& executor, kernels::ThreadTeam& team, std::span<const Job> jobs, const BatchOptions& options,
                 const std::function<void(std::size_t, JobResult)>& done);

}  // namespace moe::eval
