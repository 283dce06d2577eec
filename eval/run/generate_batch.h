// Writes many replies at once: sequences join and leave at every step.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/runtime/executor.h"
#include "engine/text/reasoning.h"
#include "engine/text/tokenizer.h"
#include "eval/run/backend.h"
#include "eval/run/batch_options.h"
#include "kernels/thread_team.h"

namespace moe::eval {

struct ReplyRules {
  std::shared_ptr<const Tokenizer> tokenizer;
  ReasoningFormat reasoning = ReasoningFormat::none;
  std::vector<std::int32_t> stop_ids;
  std::vector<bool> allowed;  // ids that may be drawn; empty: all
};

// All jobs must be GenerateJobs. Every pass takes one token of each reply under way and fills up with prompt
// tokens of those to come; work waits while its keys and values would not fit. What all prompts begin with is
// computed once, and so is a prompt that several jobs in a row ask again (samples of one question). Replies
// are, to the bit, those of one job after the other. `done` as in Backend::run.
void generate_batch(Executor& executor, kernels::ThreadTeam& team, std::span<const Job> jobs,
                    const ReplyRules& rules, const BatchOptions& options,
                    const std::function<void(std::size_t, JobResult)>& done);

}  // namespace moe::eval
