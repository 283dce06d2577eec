// Sampling: greedy ties, filters, penalties, forbidden ids, repeatable draws.
#include "engine/runtime/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
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
  Sampler sampler(options);
  std::map<std::int32_t, int> counts;
  for (int i = 0; i < n; ++i) ++counts[sampler.next(logits, history, allowed)];
  return counts;
}

TEST(Sampler, GreedyTiesGoToTheLowestId) {
  SamplingOptions o;
  o.temperature = 0;
  EXPECT_EQ(Sampler(o).next(std::vector<float>{1, 3, 3, 2}, {}, {}), 1);
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

TEST(Sampler, PenaltiesLookBackOnlySoFar) {
  SamplingOptions o;
  o.temperature = 0;
  o.presence_penalty = 2;
  o.penalty_last_n = 1;
  const std::vector<float> logits{3, 2, 1.5F};
  EXPECT_EQ(Sampler(o).next(logits, std::vector<std::int32_t>{1, 0}, {}), 1) << "token 1 lies outside the window";
  o.penalty_last_n = -1;
  EXPECT_EQ(Sampler(o).next(logits, std::vector<std::int32_t>{1, 0}, {}), 2);
  o.presence_penalty = 0;
  o.repeat_penalty = 4;
  EXPECT_EQ(Sampler(o).next(std::vector<float>{-1, -3, -5}, std::vector<std::int32_t>{0}, {}), 1) << "negative logits fall";
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
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(logits, {}, {}), b.next(logits, {}, {}));
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
  EXPECT_NEAR(sum, 1, 1e-12);
}

}  // namespace
}  // namespace moe
