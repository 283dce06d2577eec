#include "engine/runtime/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "engine/base/error.h"

namespace moe {
namespace {

void require(bool ok, const char* option, const char* expected, double found) {
  if (!ok) throw Error(ErrorKind::usage, Fault{"", option, expected, fmt::format("{}", found)});
}

// SplitMix64 (Steele, Lea, Flood 2014) at a counter: independent draws without a state to keep.
std::uint64_t mix(std::uint64_t seed, std::uint64_t counter) {
  std::uint64_t z = seed + (counter + 1) * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

bool more_likely(const TokenLogprob& a, const TokenLogprob& b) {
  return a.logprob != b.logprob ? a.logprob > b.logprob : a.id < b.id;
}

void penalise(const SamplingOptions& o, std::span<const std::int32_t> history, std::span<float> scores) {
  if (o.repeat_penalty == 1 && o.frequency_penalty == 0 && o.presence_penalty == 0) return;
  const std::size_t look = o.penalty_last_n < 0 ? history.size() : std::min<std::size_t>(history.size(), o.penalty_last_n);
  std::unordered_map<std::int32_t, std::int32_t> seen;
  for (const std::int32_t id : history.last(look)) ++seen[id];
  for (const auto& [id, count] : seen) {
    float& s = scores[id];
    s = s > 0 ? s / o.repeat_penalty : s * o.repeat_penalty;
    s -= static_cast<float>(count) * o.frequency_penalty + o.presence_penalty;
  }
}

}  // namespace

void validate(const SamplingOptions& o) {
  require(o.temperature >= 0 && std::isfinite(o.temperature), "temperature", "0 or more", o.temperature);
  require(o.top_k >= 0, "top-k", "0 or more", o.top_k);
  require(o.top_p > 0 && o.top_p <= 1, "top-p", "above 0, at most 1", o.top_p);
  require(o.min_p >= 0 && o.min_p <= 1, "min-p", "0 to 1", o.min_p);
  require(o.repeat_penalty > 0 && std::isfinite(o.repeat_penalty), "repeat penalty", "above 0", o.repeat_penalty);
  require(std::isfinite(o.frequency_penalty), "frequency penalty", "a number", o.frequency_penalty);
  require(std::isfinite(o.presence_penalty), "presence penalty", "a number", o.presence_penalty);
  require(o.penalty_last_n >= -1, "penalty window", "-1 or more", o.penalty_last_n);
}

double log_sum_exp(std::span<const float> logits) {
  float highest = -std::numeric_limits<float>::infinity();
  for (const float v : logits) highest = std::max(highest, v);
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - highest);
  return highest + std::log(sum);
}

std::int32_t argmax(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return std::int32_t(best);
}

std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, std::int32_t n) {
  std::vector<TokenLogprob> all(logits.size());
  const double norm = log_sum_exp(logits);
  for (std::size_t i = 0; i < logits.size(); ++i) all[i] = {std::int32_t(i), logits[i] - norm};
  const std::size_t count = std::min<std::size_t>(std::max(n, 0), all.size());
  std::partial_sort(all.begin(), all.begin() + count, all.end(), more_likely);
  all.resize(count);
  return all;
}

double Sampler::uniform() { return static_cast<double>(mix(options_.seed, draws_++) >> 11) * 0x1p-53; }

std::int32_t Sampler::next(std::span<const float> logits, std::span<const std::int32_t> history,
                           const std::vector<bool>& allowed) {
  scores_.assign(logits.begin(), logits.end());
  if (!allowed.empty()) {
    for (std::size_t i = 0; i < scores_.size(); ++i) {
      if (i >= allowed.size() || !allowed[i]) scores_[i] = -std::numeric_limits<float>::infinity();
    }
  }
  penalise(options_, history, scores_);
  if (options_.temperature == 0) return argmax(scores_);

  // Candidates in falling order, as many as top-k keeps; log-probabilities relative to the highest from here on.
  candidates_.resize(scores_.size());
  for (std::size_t i = 0; i < scores_.size(); ++i) candidates_[i] = {std::int32_t(i), scores_[i]};
  std::size_t count = candidates_.size();
  if (options_.top_k > 0) count = std::min<std::size_t>(count, options_.top_k);
  std::partial_sort(candidates_.begin(), candidates_.begin() + count, candidates_.end(), more_likely);
  candidates_.resize(count);
  const double highest = candidates_.front().logprob;
  double total = 0;
  for (TokenLogprob& c : candidates_) total += std::exp(c.logprob - highest);
  if (options_.top_p < 1) {
    double mass = 0;
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      mass += std::exp(candidates_[i].logprob - highest) / total;
      if (mass >= options_.top_p) {
        candidates_.resize(i + 1);
        break;
      }
    }
  }
  if (options_.min_p > 0) {
    const double floor = std::log(static_cast<double>(options_.min_p));
    while (candidates_.size() > 1 && candidates_.back().logprob - highest < floor) candidates_.pop_back();
  }
  total = 0;
  for (TokenLogprob& c : candidates_) {
    c.logprob = std::exp((c.logprob - highest) / options_.temperature);
    total += c.logprob;
  }
  double draw = uniform() * total;
  for (const TokenLogprob& c : candidates_) {
    draw -= c.logprob;
    if (draw < 0) return c.id;
  }
  return candidates_.back().id;
}

}  // namespace moe
