// Scoring with a shared context gives, to the bit, what scoring each continuation alone gives; and the costs add up.
#include "engine/runtime/score.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "engine/base/error.h"
#include "engine/model/closed_form.h"
#include "models/registry.h"
#include "tests/support/paths.h"
#include "tests/support/same_bits.h"

namespace moe {
namespace {

std::filesystem::path golden_model(const std::string& name) { return test::fixture("golden/models/" + name); }

class ScoreTest : public testing::TestWithParam<const char*> {};

TEST_P(ScoreTest, SharedEqualsAlone) {
  kernels::ThreadTeam team(2), single(1);
  const auto model = models::load_model(golden_model(GetParam()));
  Executor executor(model, team), other(model, single);
  std::vector<std::int32_t> context;
  for (int i = 0; i < 70; ++i) context.push_back((i * 37 + 11) % model->spec().vocab);
  const std::vector<std::vector<std::int32_t>> continuations{{5}, {9, 8, 7}, {5, 6}, {200, 3, 17, 90, 4}};
  const ScoreResult together = score(executor, context, continuations, 0, 16);
  std::uint64_t alone_class_a = 0;
  for (std::size_t i = 0; i < continuations.size(); ++i) {
    const ScoreResult alone = score(other, context, {&continuations[i], 1});
    EXPECT_TRUE(test::same_bits(alone.scores[0].logprobs, together.scores[i].logprobs)) << "continuation " << i;
    EXPECT_TRUE(test::same_bits(alone.scores[0].loglikelihood, together.scores[i].loglikelihood));
    EXPECT_EQ(alone.scores[0].is_greedy, together.scores[i].is_greedy);
    EXPECT_EQ(alone.executed.total(), alone.as_if_alone.total());
    alone_class_a += alone.executed.total().class_a;
    Costs form = closed_form(model->spec(), 0, 69, 0);
    form.add(closed_form(model->spec(), 69, std::int64_t(continuations[i].size()), std::int64_t(continuations[i].size())));
    EXPECT_EQ(alone.executed.components, form.components);
  }
  EXPECT_EQ(together.as_if_alone.total().class_a, alone_class_a);
  EXPECT_LT(together.executed.total().class_a, alone_class_a);
}

INSTANTIATE_TEST_SUITE_P(Models, ScoreTest, testing::Values("llama-f32", "qwen3_moe-f32", "qwen3-window-v4"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(Score, WhatDoesNotFitIsRefused) {
  kernels::ThreadTeam team(1);
  Executor executor(models::load_model(golden_model("llama-f32")), team);
  const std::vector<std::int32_t> context{1, 2, 3};
  const std::vector<std::vector<std::int32_t>> empty{{}}, outside{{100000}}, good{{4, 5}};
  EXPECT_THROW(score(executor, context, empty), Error);
  EXPECT_THROW(score(executor, context, outside), Error);
  EXPECT_THROW(score(executor, {}, good), Error);
  EXPECT_THROW(score(executor, context, good, 3), Error);
  EXPECT_NO_THROW(score(executor, context, good, 4));
}

}  // namespace
}  // namespace moe
