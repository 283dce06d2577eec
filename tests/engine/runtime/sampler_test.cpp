// Sampling: greedy ties, filters, penalties, forbidden ids, repeatable draws.
#include "engine/runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "engine/base/error.h"

namespace moe {
namespace {

SamplingOptions plain() {
  SamplingOptions o;
  o.temperature = 1;
  o.top_k = 0;
  o.top_p = 1;
  o.min_p = 0;
  return o;
}

std::map<std::int32_t, int> draw(const SamplingOptions& options, const std::vector<float>& logits, int n,
                                 const std::vector<std::int32_t>& history = {}, const std::vector<bool>& allowed = {}) {
  Sampler sampler(options, allowed);
  std::map<std::int32_t, int> counts;
  for (int i = 0; i < n; ++i) ++counts[sampler.next(logits, history)];
  return counts;
}

TEST(Sampler, GreedyTiesGoToTheLowestId) {
  SamplingOptions o;
  o.temperature = 0;
  EXPECT_EQ(Sampler(o).next(std::vector<float>{1, 3, 3, 2}, {}), 1);
}

TEST(Sampler, FrequenciesFollowTheSoftmax) {
  const std::vector<float> logits{0, std::log(2.0F), std::log(5.0F)};
  const auto counts = draw(plain(), logits, 80000);
  // Four standard deviations of a binomial of 80,000.
  EXPECT_NEAR(counts.at(0), 10000, 4 * 94);
  EXPECT_NEAR(counts.at(1), 20000, 4 * 123);
  EXPECT_NEAR(counts.at(2), 50000, 4 * 137);
}

TEST(Sampler, TopKTopPAndMinPCutTheTail) {
  const std::vector<float> logits{std::log(0.5F), std::log(0.3F), std::log(0.15F), std::log(0.05F)};
  SamplingOptions o = plain();
  o.top_k = 2;
  EXPECT_EQ(draw(o, logits, 2000).size(), 2U);
  o = plain();
  o.top_p = 0.75F;
  EXPECT_EQ(draw(o, logits, 2000).size(), 2U);
  o = plain();
  o.min_p = 0.2F;  // of 0.5: keeps 0.1 and more
  EXPECT_EQ(draw(o, logits, 2000).size(), 3U);
}

// A vocabulary with a long tail, each filter against the definition by full sorting.
TEST(Sampler, ALongTailIsCutAsIfItWereSorted) {
  std::vector<float> logits(5000);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>((i * 7919) % logits.size()) * 2e-3F;  // 0 to 10, shuffled
  }
  std::vector<double> sorted(logits.begin(), logits.end());
  std::ranges::sort(sorted, std::greater<>());
  double total = 0;
  for (const double v : sorted) total += std::exp(v - sorted[0]);
  const auto rank_of = [&](std::int32_t id) {
    return std::ranges::lower_bound(sorted, double(logits[id]), std::greater<>()) - sorted.begin();
  };
  SamplingOptions o = plain();
  o.top_p = 0.5F;
  double mass = 0;
  std::ptrdiff_t kept = 0;
  while (mass < o.top_p) mass += std::exp(sorted[kept++] - sorted[0]) / total;
  std::ptrdiff_t furthest = 0;
  for (const auto& [id, n] : draw(o, logits, 1000)) furthest = std::max(furthest, rank_of(id));
  EXPECT_LE(furthest, kept + 1) << "f32 sums may shift the cut by one";
  EXPECT_GT(furthest, kept * 9 / 10);
  o = plain();
  o.min_p = 0.9F;
  for (const auto& [id, n] : draw(o, logits, 1000)) EXPECT_GE(logits[id], sorted[0] + std::log(0.9));
  // No filter: half of the draws fall on either half of the mass.
  o = plain();
  int upper = 0;
  for (const auto& [id, n] : draw(o, logits, 10000)) upper += rank_of(id) < kept ? n : 0;
  EXPECT_NEAR(upper, 5000, 4 * 50);
}

TEST(Sampler, PenaltiesLookBackOnlySoFar) {
  SamplingOptions o;
  o.temperature = 0;
  o.presence_penalty = 2;
  o.penalty_last_n = 1;
  const std::vector<float> logits{3, 2, 1.5F};
  EXPECT_EQ(Sampler(o).next(logits, std::vector<std::int32_t>{1, 0}), 1) << "token 1 lies outside the window";
  o.penalty_last_n = -1;
  EXPECT_EQ(Sampler(o).next(logits, std::vector<std::int32_t>{1, 0}), 2);
  o.presence_penalty = 0;
  o.repeat_penalty = 4;
  EXPECT_EQ(Sampler(o).next(std::vector<float>{-1, -3, -5}, std::vector<std::int32_t>{0}), 1) << "negative logits fall";
}

TEST(Sampler, ForbiddenIdsAreNeverDrawn) {
  const std::vector<float> logits{5, 4, 3, 9};
  EXPECT_EQ(draw(plain(), logits, 500, {}, {true, false, true}).count(3), 0U) << "beyond the list";
  EXPECT_EQ(draw(plain(), logits, 500, {}, {true, false, true}).count(1), 0U);
}

TEST(Sampler, ASeedRepeatsItsDraws) {
  SamplingOptions o = plain();
  o.seed = 7;
  std::vector<float> logits(50);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 7);
  Sampler a(o), b(o);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(logits, {}), b.next(logits, {}));
}

TEST(Sampler, OptionsOutOfRangeAreNamed) {
  SamplingOptions o;
  o.top_p = 1.5F;
  try {
    validate(o);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(e.what()).find("top-p"), std::string::npos);
  }
}

TEST(TopLogprobs, AreNormalisedAndOrdered) {
  const std::vector<float> logits{0, 2, 2, 1};
  const auto top = top_logprobs(logits, 3);
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0].id, 1);
  EXPECT_EQ(top[1].id, 2);
  double sum = 0;
  for (const auto& t : top_logprobs(logits, 10)) sum += std::exp(t.logprob);
  EXPECT_NEAR(sum, 1, 1e-6);
}

// Weights that hold NaN must not pass for a model that always says token 0.
TEST(Sampler, LogitsThatAreNoNumbersAreAnError) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& logits : {std::vector{nan, nan, nan}, std::vector{0.0F, infinite, 1.0F}}) {
    for (const float temperature : {0.0F, 0.8F}) {
      for (const int top_k : {0, 2}) {
        SamplingOptions o;
        o.temperature = temperature;
        o.top_k = top_k;
        EXPECT_THROW(Sampler(o).next(logits, {}), Error) << temperature << ", top-k " << top_k;
      }
    }
  }
}

}  // namespace
}  // namespace moe
