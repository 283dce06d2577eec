// The tokens that all prompts of a run begin with, computed once.
#include "eval/run/shared_prefix.h"

#include <algorithm>

#include "engine/base/clock.h"

namespace moe::eval {
namespace {

// Below this many tokens the bookkeeping is not worth it.
constexpr std::size_t kShortest = 4;

}  // namespace

const TokenIds& prompt_of(const Job& job) {
  if (const auto* score = std::get_if<ScoreJob>(&job)) return score->context;
  return std::get<GenerateJob>(job).prompt;
}

TokenIds common_prompt(std::span<const Job> jobs) {
  if (jobs.size() < 2) return {};
  TokenIds tokens = prompt_of(jobs.front());
  for (const Job& job : jobs) {
    const TokenIds& prompt = prompt_of(job);
    std::size_t common = 0;
    // One token of each prompt is left to be fed: it gives the logits.
    while (common < tokens.size() && common + 1 < prompt.size() && prompt[common] == tokens[common]) ++common;
    tokens.resize(common);
  }
  if (tokens.size() < kShortest) tokens.clear();
  return tokens;
}

SharedPrefix::SharedPrefix(Executor& executor, std::span<const Job> jobs, bool enabled, std::size_t context)
    : executor_(executor) {
  const ModelSpec& spec = executor.model().spec();
  if (!enabled || std::ranges::any_of(spec.ropes, &RopeSpec::depends_on_length)) return;
  tokens_ = common_prompt(jobs);
  const bool defined = std::ranges::all_of(tokens_, [&](std::int32_t id) { return id >= 0 && id < spec.vocab; });
  if (!defined || tokens_.size() >= context) tokens_.clear();
}

Sequence SharedPrefix::fork() {
  if (tokens_.empty()) return executor_.new_sequence();
  if (!sequence_) {
    const auto start = Clock::now();
    CostMeter meter(executor_.model().spec());
    Sequence sequence = executor_.new_sequence();
    for (std::size_t at = 0; at < tokens_.size(); at += kPassRows) {
      const auto chunk = std::span(tokens_).subspan(at, std::min(kPassRows, tokens_.size() - at));
      const Feed feed{&sequence, chunk, LogitsWanted::none, &meter};
      executor_.forward({&feed, 1});
    }
    cost_ = meter.read();
    sequence_ = std::move(sequence);
    seconds_ = seconds_since(start);
  }
  return *sequence_;
}

}  // namespace moe::eval
