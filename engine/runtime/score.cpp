#include "engine/runtime/score.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/clock.h"
#include "engine/base/error.h"
#include "engine/runtime/sampler.h"

namespace moe {

ScoreResult score(Executor& executor, std::span<const std::int32_t> context,
                  std::span<const std::vector<std::int32_t>> continuations, std::int32_t max_tokens,
                  std::int32_t chunk) {
  const auto start = Clock::now();
  const ModelSpec& spec = executor.model().spec();
  const std::int64_t limit = max_tokens > 0 ? max_tokens : spec.max_positions;
  if (context.empty() || continuations.empty()) throw Error(ErrorKind::usage, "scoring needs a context and at least one continuation");
  for (const auto& c : continuations) {
    if (c.empty()) throw Error(ErrorKind::usage, "a continuation to score has no tokens");
    // The last token is never fed, so the executor would not see it.
    for (const std::int32_t token : c) {
      if (token >= 0 && token < spec.vocab) continue;
      throw Error(ErrorKind::usage, Fault{"", "token id", fmt::format("0 to {}", spec.vocab - 1), std::to_string(token)});
    }
    const std::int64_t length = std::int64_t(context.size() + c.size()) - 1;
    if (length > limit) {
      throw Error(ErrorKind::limit, Fault{"", "context and continuation", fmt::format("at most {} tokens", limit), std::to_string(length)});
    }
  }

  // Everything but the context's last token, whose logits the first token of every continuation needs. Where rotation
  // depends on a sequence's length, continuations of different lengths can share nothing.
  CostMeter executed(spec), alone(spec);
  Costs shared_alone;
  Sequence prefix = executor.new_sequence();
  const std::span<const std::int32_t> shared = context.first(context.size() - 1);
  const bool lengths_matter = std::ranges::any_of(spec.ropes, &RopeSpec::depends_on_length);
  const auto feed_context = [&](Sequence& sequence, CostMeter* meter) {
    for (std::size_t at = 0; at < shared.size(); at += std::size_t(chunk)) {
      const Feed feed{&sequence, shared.subspan(at, std::min<std::size_t>(chunk, shared.size() - at)), LogitsWanted::none, meter};
      executor.forward({&feed, 1}, &executed);
    }
  };
  if (!lengths_matter) {
    CostMeter once(spec);
    feed_context(prefix, &once);
    shared_alone = once.read();
  }

  std::vector<Sequence> sequences;
  std::vector<std::vector<std::int32_t>> inputs;
  for (const auto& c : continuations) {
    inputs.push_back({context.back()});
    inputs.back().insert(inputs.back().end(), c.begin(), c.end() - 1);
    if (lengths_matter) {
      sequences.push_back(executor.new_sequence());
      sequences.back().expect_length(std::int32_t(context.size() + c.size()) - 1);
      feed_context(sequences.back(), &alone);
    } else {
      sequences.push_back(prefix);
    }
  }
  std::vector<Feed> feeds;
  for (std::size_t i = 0; i < inputs.size(); ++i) feeds.push_back({&sequences[i], inputs[i], LogitsWanted::all, &alone});
  const std::span<const float> logits = executor.forward(feeds, &executed);

  ScoreResult result;
  std::size_t row = 0;
  for (const auto& c : continuations) {
    ContinuationScore score;
    for (const std::int32_t token : c) {
      const auto values = logits.subspan(row++ * spec.vocab, spec.vocab);
      score.logprobs.push_back(values[token] - log_sum_exp(values));
      score.loglikelihood += score.logprobs.back();
      score.is_greedy = score.is_greedy && argmax(values) == token;
    }
    result.scores.push_back(std::move(score));
  }
  result.executed = executed.read();
  result.as_if_alone = alone.read();
  if (!lengths_matter) {
    for (std::size_t i = 0; i < continuations.size(); ++i) result.as_if_alone.add(shared_alone);
  }
  result.seconds = seconds_since(start);
  return result;
}

}  // namespace moe
