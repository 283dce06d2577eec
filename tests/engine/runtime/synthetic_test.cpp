// Models of made-up weights: every slot has sane numbers, runs are repeatable, loads of experts are uneven,
// and the profile accounts for what the meter counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/error.h"
#include "engine/runtime/executor.h"
#include "engine/runtime/synthetic_weights.h"
#include "tests/support/same_bits.h"

namespace moe {
namespace {

ModelSpec small_moe() {
  ModelSpec spec;
  spec.family = "test";
  spec.vocab = 1000;
  spec.hidden = 128;
  spec.max_positions = 1024;
  RopeSpec rope;
  rope.dims = 32;
  spec.ropes = {rope};
  for (int i = 0; i < 3; ++i) {
    LayerSpec layer;
    layer.attention.heads = 4;
    layer.attention.kv_heads = 2;
    layer.attention.key_dim = layer.attention.value_dim = 32;
    layer.attention.scale = 0.2F;
    layer.attention.rope = 0;
    if (i == 0) {
      layer.dense = MlpSpec{256, {}, true};
    } else {
      layer.experts.emplace();
      layer.experts->router.experts = 32;
      layer.experts->router.top_k = 4;
      layer.experts->router.renormalise = true;
      layer.experts->width = 64;
    }
    spec.layers.push_back(layer);
  }
  validate(spec, "test");
  return spec;
}

std::vector<std::int32_t> some_tokens(std::int32_t count) {
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t i = 0; i < count; ++i) tokens[i] = (i * 37 + 11) % 1000;
  return tokens;
}

struct Outcome {
  std::vector<float> logits;
  Profile profile;
  Costs costs;
  std::vector<std::uint64_t> load;  // of the last layer's experts
};

// `chunk` tokens a pass.
Outcome run(const SyntheticOptions& options, std::size_t chunk = 200, const ModelSpec& spec = small_moe(),
            std::int32_t prompt = 200, int threads = 2) {
  const SyntheticWeights weights = synthetic_weights(spec, options);
  const auto model = Model::load(spec, weights.locate, weights.checkpoint);
  kernels::ThreadTeam team(threads);
  Outcome outcome;
  RoutingStats routing(spec, 16);
  Executor::Options executor_options;
  executor_options.routing = &routing;
  executor_options.profile = &outcome.profile;
  Executor executor(model, team, executor_options);
  CostMeter meter(spec);
  Sequence sequence = executor.new_sequence();
  const auto tokens = some_tokens(prompt);
  for (std::size_t at = 0; at < tokens.size(); at += chunk) {
    const Feed feed{&sequence, std::span(tokens).subspan(at, std::min(chunk, tokens.size() - at))};
    const auto logits = executor.forward({&feed, 1}, &meter);
    outcome.logits.assign(logits.begin(), logits.end());
  }
  outcome.costs = meter.read();
  outcome.load = routing.layers().back().load;
  return outcome;
}

TEST(SyntheticWeights, GiveTheSameModelEveryTime) {
  const Outcome first = run({});
  EXPECT_TRUE(test::same_bits(first.logits, run({}).logits));
  SyntheticOptions other;
  other.seed = 2;
  EXPECT_FALSE(test::same_bits(first.logits, run(other).logits));
}

// A layer takes rows in blocks of its own, which a pass of 300 rows has two of.
TEST(Executor, ChunksOfAPromptChangeNothing) {
  const auto expected = run({}, 300, small_moe(), 300).logits;
  EXPECT_TRUE(test::same_bits(expected, run({}, 67, small_moe(), 300).logits));
}

// Heads that are finished in several pieces of queries, keys and values, or (few rows) all at once.
TEST(Executor, PiecesOfHeadsChangeNothing) {
  ModelSpec spec = small_moe();
  for (LayerSpec& layer : spec.layers) {
    AttentionSpec& a = layer.attention;
    a.heads = 8;
    a.kv_heads = 4;
    a.key_dim = a.value_dim = 64;
    a.qk_norm = AttentionSpec::NormScope::head;
    a.v_norm.emplace().weighted = false;
    a.clip_qkv = 1.5F;
  }
  validate(spec, "test");
  const auto expected = run({}, 31, spec, 300, 1).logits;
  for (const int threads : {1, 2, 3, 7}) {
    for (const std::size_t chunk : {300U, 67U}) {
      EXPECT_TRUE(test::same_bits(expected, run({}, chunk, spec, 300, threads).logits))
          << threads << " threads, chunks of " << chunk;
    }
  }
}

TEST(SyntheticWeights, GiveWellSpreadLogitsInEveryForm) {
  for (const SyntheticOptions& options :
       {SyntheticOptions{}, SyntheticOptions{DType::f16}, SyntheticOptions{DType::f32},
        SyntheticOptions{DType::bf16, Encoding::plain, Encoding::mxfp4},
        SyntheticOptions{DType::bf16, Encoding::fp8_block}}) {
    const Outcome result = run(options);
    double sum = 0, squares = 0;
    for (const float x : result.logits) {
      ASSERT_TRUE(std::isfinite(x));
      sum += x;
      squares += double{x} * x;
    }
    const auto n = double(result.logits.size());
    EXPECT_LT(std::abs(sum / n), 0.1);
    EXPECT_GT(std::sqrt(squares / n), 0.1);
    EXPECT_LT(std::sqrt(squares / n), 1.0);
  }
  EXPECT_THROW(synthetic_weights(small_moe(), {DType::f8_e4m3}), std::invalid_argument);
}

TEST(SyntheticWeights, LoadExpertsUnevenly) {
  const std::vector<std::uint64_t> load = run({}).load;
  const std::uint64_t total = std::accumulate(load.begin(), load.end(), std::uint64_t{0});
  EXPECT_EQ(total, 200 * 4U);
  const double mean = double(total) / double(load.size());
  EXPECT_GT(double(*std::ranges::max_element(load)), 1.5 * mean);
  EXPECT_LT(double(*std::ranges::max_element(load)), 6 * mean);
}

TEST(SyntheticWeights, HaveNoSubnormals) {
  const SyntheticWeights weights = synthetic_weights(small_moe(), {DType::f16});
  for (const std::string_view name : weights.checkpoint->names()) {
    for (const float x : to_floats(weights.checkpoint->require(name)))
      ASSERT_GE(std::abs(x), 6.2e-5F) << name;
  }
}

TEST(Profile, AccountsForAllBytesAndForEachPartThatWorked) {
  const Outcome result = run({});
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < kComponents; ++i) {
    const auto part = static_cast<Component>(i);
    bytes += result.profile[part].bytes;
    const bool worked = result.costs[part].class_a > 0;
    EXPECT_TRUE(!worked || result.profile[part].seconds > 0) << name(part);
  }
  EXPECT_EQ(bytes, result.costs.weight_bytes + result.costs.kv_bytes);
}

}  // namespace
}  // namespace moe
