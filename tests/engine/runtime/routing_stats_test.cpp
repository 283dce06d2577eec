// Routing statistics against numbers worked out by hand.
#include "engine/runtime/routing_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/base/error.h"

namespace moe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Three layers, of which the last two route: 4 experts, 2 chosen, and 3 experts, 1 chosen.
ModelSpec spec() {
  ModelSpec s;
  s.family = "test";
  s.layers.resize(3);
  s.layers[1].experts.emplace().router.experts = 4;
  s.layers[1].experts->router.top_k = 2;
  s.layers[2].experts.emplace().router.experts = 3;
  s.layers[2].experts->router.top_k = 1;
  return s;
}

// Five tokens in two calls: {0,1} {0,3} {1,3} | {0,1} {0,1}.
RoutingStats filled(std::int32_t window) {
  RoutingStats stats(spec(), window);
  stats.add(1, std::vector<std::int32_t>{0, 1, 0, 3, 1, 3},
            std::vector<float>{0.75F, 0.25F, 0.5F, 0.5F, 0.125F, 0.875F});
  stats.add(2, std::vector<std::int32_t>{2, 2, 2}, std::vector<float>{1, 1, 0.5F});
  stats.add(1, std::vector<std::int32_t>{0, 1, 0, 1}, std::vector<float>{0.25F, 0.75F, 0.5F, 0.5F});
  stats.add(2, std::vector<std::int32_t>{2, 2}, std::vector<float>{1, 1});
  return stats;
}

TEST(RoutingStats, ListsTheLayersThatRoute) {
  const RoutingStats stats = filled(2);
  ASSERT_EQ(stats.layers().size(), 2U);
  EXPECT_EQ(stats.layers()[0].layer, 1);
  EXPECT_EQ(stats.layers()[1].layer, 2);
  EXPECT_EQ(stats.layers()[0].tokens, 5U);
  EXPECT_EQ(stats.layers()[1].top_k, 1);
}

TEST(RoutingStats, CountsLoadsAndMeansOfWeights) {
  const RoutingStats::Layer layer = filled(2).layers()[0];
  EXPECT_THAT(layer.load, ElementsAre(4U, 4U, 0U, 2U));
  EXPECT_DOUBLE_EQ(layer.mean_weight(0), (0.75 + 0.5 + 0.25 + 0.5) / 4);
  EXPECT_DOUBLE_EQ(layer.mean_weight(1), (0.25 + 0.125 + 0.75 + 0.5) / 4);
  EXPECT_DOUBLE_EQ(layer.mean_weight(2), 0);
  EXPECT_DOUBLE_EQ(layer.mean_weight(3), (0.5 + 0.875) / 2);
}

TEST(RoutingStats, ClearForgetsEverything) {
  RoutingStats stats = filled(2);
  stats.clear();
  for (const RoutingStats::Layer& layer : stats.layers()) {
    EXPECT_EQ(layer.tokens, 0U);
    EXPECT_THAT(layer.load, ::testing::Each(0U));
    EXPECT_THAT(layer.pairs, ::testing::Each(0U));
    EXPECT_THAT(layer.sets, IsEmpty());
    EXPECT_DOUBLE_EQ(layer.mean_weight(0), 0);
  }
  // The next window begins with the next token.
  stats.add(1, std::vector<std::int32_t>{0, 1, 2, 3}, std::vector<float>{1, 1, 1, 1});
  EXPECT_THAT(stats.layers()[0].sets, ElementsAre(ElementsAre(0, 1, 2, 3)));
}

TEST(RoutingStats, EntropyAndBalanceOfTheLoad) {
  const RoutingStats stats = filled(2);
  // Shares 0.4, 0.4, 0, 0.2 of ten choices; the fullest of four experts has 4 where the mean is 2.5.
  EXPECT_NEAR(stats.layers()[0].entropy_bits(), -0.8 * std::log2(0.4) - 0.2 * std::log2(0.2), 1e-12);
  EXPECT_DOUBLE_EQ(stats.layers()[0].balance(), 1.6);
  // One expert takes all.
  EXPECT_DOUBLE_EQ(stats.layers()[1].entropy_bits(), 0);
  EXPECT_DOUBLE_EQ(stats.layers()[1].balance(), 3);
}

TEST(RoutingStats, AnEvenLoadHasFullEntropyAndBalanceOne) {
  RoutingStats stats(spec(), 8);
  stats.add(1, std::vector<std::int32_t>{0, 1, 2, 3}, std::vector<float>{1, 1, 1, 1});
  EXPECT_DOUBLE_EQ(stats.layers()[0].entropy_bits(), 2);
  EXPECT_DOUBLE_EQ(stats.layers()[0].balance(), 1);
}

TEST(RoutingStats, NothingComputedIsNotANumberNowhere) {
  const RoutingStats stats(spec(), 2);
  EXPECT_DOUBLE_EQ(stats.layers()[0].entropy_bits(), 0);
  EXPECT_DOUBLE_EQ(stats.layers()[0].balance(), 0);
  EXPECT_DOUBLE_EQ(stats.layers()[0].mean_distinct(), 0);
}

TEST(RoutingStats, CountsPairsOnceWithTheSmallerExpertFirst) {
  const RoutingStats::Layer layer = filled(2).layers()[0];
  EXPECT_THAT(layer.pairs, ElementsAre(0U, 3U, 0U, 1U,  //
                                       0U, 0U, 0U, 1U,  //
                                       0U, 0U, 0U, 0U,  //
                                       0U, 0U, 0U, 0U));
}

TEST(RoutingStats, WorkingSetsOfWindowsThatCrossCalls) {
  const RoutingStats stats = filled(2);
  EXPECT_THAT(stats.layers()[0].sets, ElementsAre(ElementsAre(0, 1, 3), ElementsAre(0, 1, 3)));
  EXPECT_THAT(stats.layers()[1].sets, ElementsAre(ElementsAre(2), ElementsAre(2)));
  EXPECT_DOUBLE_EQ(stats.layers()[0].mean_distinct(), 3);
  // The fifth token stands in a window that is not full.
  EXPECT_EQ(stats.layers()[0].open_tokens, 1);
  EXPECT_THAT(stats.layers()[0].open_set, ElementsAre(true, true, false, false));
  EXPECT_THAT(filled(1).layers()[0].sets.size(), 5U);
  EXPECT_THAT(filled(5).layers()[0].open_set, ElementsAre(false, false, false, false));
  EXPECT_THAT(filled(6).layers()[0].sets, IsEmpty());
}

TEST(RoutingStats, RefusesADenseModel) {
  ModelSpec dense = spec();
  for (LayerSpec& layer : dense.layers) layer.experts.reset();
  EXPECT_THROW(RoutingStats(dense, 2), Error);
}

TEST(RoutingStats, TooManyExpertsForPairsLeavesThemOut) {
  ModelSpec wide = spec();
  wide.layers[1].experts->router.experts = RoutingStats::kMaxPairExperts + 1;
  RoutingStats stats(wide, 2);
  stats.add(1, std::vector<std::int32_t>{0, 512}, std::vector<float>{1, 1});
  EXPECT_THAT(stats.layers()[0].pairs, IsEmpty());
  EXPECT_EQ(stats.layers()[0].load[512], 1U);
}

}  // namespace
}  // namespace moe
