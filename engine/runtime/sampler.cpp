#include "engine/runtime/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "engine/base/error.h"
#include "engine/base/split_mix.h"
#include "kernels/kernel_table.h"

namespace moe {
namespace {

void require(bool ok, const char* option, const char* expected, double found) {
  if (!ok) throw Error(ErrorKind::usage, Fault{"", option, expected, fmt::format("{}", found)});
}

// Any table will do: they give the same bits.
const kernels::KernelTable& vectors() {
  static const kernels::KernelTable& table = kernels::select_kernels();
  return table;
}

void penalise(const SamplingOptions& o, std::span<const std::int32_t> history, std::span<float> scores) {
  const std::size_t look = o.penalty_last_n < 0 ? history.size() : std::min<std::size_t>(history.size(), o.penalty_last_n);
  std::unordered_map<std::int32_t, std::int32_t> seen;
  for (const std::int32_t id : history.last(look)) ++seen[id];
  for (const auto& [id, count] : seen) {
    float& s = scores[id];
    s = s > 0 ? s / o.repeat_penalty : s * o.repeat_penalty;
    s -= static_cast<float>(count) * o.frequency_penalty + o.presence_penalty;
  }
}

// The largest score there is to draw from. Broken numerics must not choose: of NaN alone the first id would seem likeliest.
float finite(float highest) {
  if (std::isfinite(highest)) return highest;
  throw Error(ErrorKind::unsupported, Fault{"", "logits", "a finite number as the largest", fmt::format("{}", highest)});
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
  return vectors().log_sum_exp(logits.data(), std::int64_t(logits.size()));
}

std::int32_t argmax(std::span<const float> logits) {
  float value;
  std::int32_t id = 0;
  vectors().top_k(logits.data(), std::int64_t(logits.size()), 1, &value, &id);
  return id;
}

std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, std::int32_t n) {
  const std::size_t count = std::min<std::size_t>(std::max(n, 0), logits.size());
  std::vector<float> values(count);
  std::vector<std::int32_t> ids(count);
  vectors().top_k(logits.data(), std::int64_t(logits.size()), int(count), values.data(), ids.data());
  const double norm = log_sum_exp(logits);
  std::vector<TokenLogprob> top(count);
  for (std::size_t i = 0; i < count; ++i) top[i] = {ids[i], values[i] - norm};
  return top;
}

Sampler::Sampler(const SamplingOptions& options, const std::vector<bool>& allowed)
    : options_(options), limit_(allowed.empty() ? SIZE_MAX : allowed.size()) {
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    if (!allowed[i]) forbidden_.push_back(std::int32_t(i));
  }
}

double Sampler::uniform() { return static_cast<double>(split_mix(options_.seed, draws_++) >> 11) * 0x1p-53; }

// The scores to draw from: the logits, or a copy where something changes them.
std::span<const float> Sampler::scores_of(std::span<const float> logits, std::span<const std::int32_t> history) {
  const SamplingOptions& o = options_;
  const bool penalised = o.repeat_penalty != 1 || o.frequency_penalty != 0 || o.presence_penalty != 0;
  if (!penalised && forbidden_.empty() && limit_ >= logits.size()) return logits;
  scores_.assign(logits.begin(), logits.end());
  if (penalised) penalise(o, history, scores_);
  for (const std::int32_t id : forbidden_) scores_[id] = -std::numeric_limits<float>::infinity();
  for (std::size_t i = limit_; i < scores_.size(); ++i) scores_[i] = -std::numeric_limits<float>::infinity();
  return scores_;
}

// Scores in falling order, ties by id, sorted no further than somebody has looked.
class Sampler::Ranking {
 public:
  Ranking(std::span<const float> scores, std::vector<float>& values, std::vector<std::int32_t>& ids)
      : scores_(scores), values_(values), ids_(ids) {
    values_.clear();
  }
  float score(std::size_t rank) {
    reach(rank);
    return values_[rank];
  }
  std::int32_t id(std::size_t rank) {
    reach(rank);
    return ids_[rank];
  }

 private:
  void reach(std::size_t rank) {
    if (rank < values_.size()) return;
    std::size_t count = 64;  // as many as the kernel finds without sorting
    while (count <= rank) count *= 16;
    count = std::min(count, scores_.size());
    values_.resize(count);
    ids_.resize(count);
    vectors().top_k(scores_.data(), std::int64_t(scores_.size()), int(count), values_.data(), ids_.data());
  }

  std::span<const float> scores_;
  std::vector<float>& values_;
  std::vector<std::int32_t>& ids_;
};

// How many of the `count` likeliest top-p and min-p leave. `total` is the sum of their exp(score - highest).
std::size_t Sampler::kept(Ranking& ranking, std::size_t count, double total) const {
  const double highest = ranking.score(0), floor = std::log(static_cast<double>(options_.min_p));
  double mass = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double below = ranking.score(i) - highest;
    if (i > 0 && options_.min_p > 0 && below < floor) return i;
    const double before = mass;
    mass += std::exp(below) / total;
    // What follows a term too small to count is too small as well.
    if (options_.top_p < 1 && (mass >= options_.top_p || mass == before)) return i + 1;
  }
  return count;
}

// A draw from all ids by exp(score / temperature), in order of id: nothing needs ranking. Whole blocks are skipped by
// their sums.
std::int32_t Sampler::draw_from_all(std::span<const float> scores) {
  constexpr std::size_t kBlock = 1024;
  scaled_.resize(scores.size());
  vectors().scale(scores.data(), 1 / options_.temperature, std::int64_t(scores.size()), scaled_.data());
  const std::span<const float> scaled = scaled_;
  const double highest = finite(scaled[argmax(scaled)]);
  double draw = uniform() * std::exp(log_sum_exp(scaled) - highest);
  std::int32_t last = 0;
  for (std::size_t begin = 0; begin < scaled.size(); begin += kBlock) {
    const std::span<const float> block = scaled.subspan(begin, std::min(kBlock, scaled.size() - begin));
    const double mass = std::exp(log_sum_exp(block) - highest);
    if (mass == 0) continue;
    if (mass < draw) {
      draw -= mass;
      last = std::int32_t(begin) + argmax(block);  // where rounding leaves nothing to find behind it
      continue;
    }
    for (std::size_t i = 0; i < block.size(); ++i) {
      const double weight = std::exp(block[i] - highest);
      if (weight == 0) continue;
      last = std::int32_t(begin + i);
      draw -= weight;
      if (draw < 0) return last;
    }
  }
  return last;
}

std::int32_t Sampler::next(std::span<const float> logits, std::span<const std::int32_t> history) {
  const std::span<const float> scores = scores_of(logits, history);
  if (options_.temperature == 0) {
    const std::int32_t id = argmax(scores);
    finite(scores[id]);
    return id;
  }
  std::size_t count = options_.top_k > 0 ? std::min<std::size_t>(scores.size(), options_.top_k) : scores.size();
  const bool cuts = options_.top_p < 1 || options_.min_p > 0;
  if (count == scores.size() && !cuts) return draw_from_all(scores);

  // The sum over the likeliest of exp((score - highest) / t).
  Ranking ranking(scores, values_, ids_);
  const double highest = finite(ranking.score(0)), temperature = options_.temperature;
  const auto sum = [&](double t) {
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) total += std::exp((ranking.score(i) - highest) / t);
    return total;
  };
  if (cuts) {
    const bool all = count == scores.size();
    count = kept(ranking, count, options_.top_p == 1 ? 1 : all ? std::exp(log_sum_exp(scores) - highest) : sum(1));
  }
  double draw = uniform() * sum(temperature);
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < count && draw >= 0; ++i) {
    const double weight = std::exp((ranking.score(i) - highest) / temperature);
    if (weight == 0) break;  // a forbidden id, and behind it nothing else
    draw -= weight;
    chosen = i;
  }
  return ranking.id(chosen);
}

}  // namespace moe
