// Scores many contexts and their continuations in passes over many rows.
#pragma once

#include <functional>
#include <span>

#include "eval/run/backend.h"
#include "eval/run/batch_options.h"
#include "kernels/thread_team.h"

namespace moe::eval {

// All jobs must be ScoreJobs. Each context is computed once for all of its continuations, what all contexts
// begin with once for all, and (where sharing is on) what several continuations of a context begin with once
// for them. Passes are kept full: contexts of new jobs fill up what the continuations of those before them
// leave. Log-likelihoods are, to the bit, those of one job after the other. `done` as in Backend::run.
void score_batch(Executor& executor, kernels::ThreadTeam& team, std::span<const Job> jobs,
                 const BatchOptions& options, const std::function<void(std::size_t, JobResult)>& done);

}  // namespace moe::eval
