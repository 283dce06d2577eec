// Scoring given text: log-likelihoods of continuations that share a context.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/costs.h"
#include "engine/runtime/executor.h"

namespace moe {

struct ContinuationScore {
  double loglikelihood = 0;          // sum of its tokens' log-probabilities
  std::vector<double> logprobs;      // token by token
  bool is_greedy = true;             // each token is the most likely one (ties count for the lower id)
};

struct ScoreResult {
  std::vector<ContinuationScore> scores;
  Costs executed;                    // the context computed once for all
  Costs as_if_alone;                 // every continuation with its context computed for itself
  double seconds = 0;
};

// The context (at least one token) is computed once; the continuations (at least one token each) run together as one
// ragged batch. Equal, to the bit, to scoring each one alone. Throws Error(limit) where context and continuation do
// not fit `max_tokens`, Error(usage) for empty lists and ids outside the vocabulary.
ScoreResult score(Executor& executor, std::span<const std::int32_t> context,
                  std::span<const std::vector<std::int32_t>> continuations, std::int32_t max_tokens = 0,
                  std::int32_t chunk = 512);

}  // namespace moe
