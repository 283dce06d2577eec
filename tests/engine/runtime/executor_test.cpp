// What a pass does beside its numbers: it reads a shared prefix once, and leaves sequences as they were when it fails.
#include "engine/runtime/executor.h"

#include <gtest/gtest.h>

#include <map>

#include "engine/base/error.h"
#include "models/registry.h"
#include "tests/engine/runtime/small_models.h"
#include "tests/support/paths.h"
#include "tests/support/same_bits.h"

namespace moe {
namespace {

using test::same_bits;

std::vector<std::int32_t> some_tokens(std::int32_t count, std::int32_t seed) {
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t i = 0; i < count; ++i) tokens[i] = (i * 37 + seed * 11 + i * i % 7) % 300;
  return tokens;
}

std::vector<float> feed(Executor& executor, Sequence& sequence, std::span<const std::int32_t> tokens) {
  const Feed one{&sequence, tokens};
  const std::span<const float> row = executor.forward({&one, 1});
  return {row.begin(), row.end()};
}

// A window in the first layer, as in Gemma and gpt-oss, and none in the second.
std::shared_ptr<const Model> windowed_model() {
  ModelSpec spec = test::small_spec(test::Architecture::dense);
  spec.layers[0].attention.window = 40;
  spec.layers[1].attention.window = 0;
  const SyntheticWeights weights = synthetic_weights(spec, {});
  return Model::load(spec, weights.locate, weights.checkpoint);
}

// Sequences of each call of the attention kernel, by window.
std::map<std::int64_t, std::vector<std::int64_t>> calls;
void (*real_attention)(const kernels::AttentionArgs&);
void counted_attention(const kernels::AttentionArgs& args) {
  calls[args.window].push_back(args.run_count);
  real_attention(args);
}

TEST(Executor, APrefixIsReadOnceForAllThatShareIt) {
  kernels::KernelTable table = kernels::select_kernels();
  real_attention = table.attention;
  table.attention = counted_attention;
  Executor::Options options;
  options.kernels = &table;
  kernels::ThreadTeam team(1);
  Executor executor(windowed_model(), team, options);
  // Three families of four, a member of each in turn.
  std::vector<Sequence> sequences;
  for (std::int32_t family = 0; family < 3; ++family) {
    sequences.push_back(executor.new_sequence());
    feed(executor, sequences.back(), some_tokens(100, family));
  }
  for (std::size_t i = 0; i < 9; ++i) sequences.push_back(sequences[i]);
  const std::vector<std::int64_t> families(3, 4), loners(12, 1);
  for (std::int32_t step = 0; step < 80; ++step) {
    const std::vector<std::int32_t> tokens = some_tokens(12, step);
    std::vector<Feed> feeds;
    for (std::size_t i = 0; i < 12; ++i) feeds.push_back({&sequences[i], {&tokens[i], 1}});
    calls.clear();
    executor.forward(feeds);
    ASSERT_EQ(calls[0], families) << "step " << step;
    // The shared blocks end at position 96; at 135 the window has left them.
    ASSERT_EQ(calls[40], 100 + step < 135 ? families : loners) << "step " << step;
  }
}

TEST(Executor, AFailedPassLeavesTheSequencesAsTheyWere) {
  const std::shared_ptr<const Model> model = windowed_model();
  kernels::ThreadTeam team(1);
  Executor free(model, team);
  Executor::Options options;
  const KvLayout layout(model->spec());
  for (const KvLayout::Group& group : layout.groups()) options.kv_budget_bytes = 5 * group.block_bytes;
  options.kv_budget_bytes *= layout.groups().size();
  Executor executor(model, team, options);
  Sequence first = executor.new_sequence(), second = executor.new_sequence();
  feed(executor, first, some_tokens(32, 1));
  feed(executor, second, some_tokens(32, 2));
  const std::size_t before = executor.pool().bytes_in_use();
  const std::vector<std::int32_t> few = some_tokens(40, 3), many = some_tokens(90, 4);
  const Feed feeds[] = {{&first, few}, {&second, many}};
  EXPECT_THROW(executor.forward(feeds), Error);
  EXPECT_EQ(executor.pool().bytes_in_use(), before) << "what was prepared is given back";
  EXPECT_EQ(first.length(), 32);
  // Forks of what is left go ways of their own.
  Sequence fork = first;
  const std::vector<float> one = feed(executor, first, some_tokens(20, 5)), two = feed(executor, fork, some_tokens(20, 6));
  for (const auto& [tokens, expected] : {std::pair{some_tokens(20, 5), one}, std::pair{some_tokens(20, 6), two}}) {
    Sequence alone = free.new_sequence();
    feed(free, alone, some_tokens(32, 1));
    EXPECT_TRUE(same_bits(feed(free, alone, tokens), expected));
  }
}

// 48 positions are the most for the short frequencies; a pass over them computes the whole context again.
TEST(Executor, ARecomputationThatFailsIsMadeUpFor) {
  const std::shared_ptr<const Model> model = models::load_model(test::fixture("golden/models/phi3-longrope-f32"));
  kernels::ThreadTeam team(1);
  Executor free(model, team);
  Sequence whole = free.new_sequence();
  feed(free, whole, some_tokens(45, 1));
  const std::vector<float> expected = feed(free, whole, some_tokens(5, 2));

  Executor::Options options;
  options.kv_budget_bytes = 3 * KvLayout(model->spec()).groups()[0].block_bytes;
  Executor executor(model, team, options);
  Sequence sequence = executor.new_sequence();
  feed(executor, sequence, some_tokens(45, 1));
  {
    const Sequence fork = sequence;  // holds the two blocks, so that there is no room for two others
    EXPECT_THROW(feed(executor, sequence, some_tokens(5, 2)), Error);
    EXPECT_EQ(sequence.length(), 45);
  }
  EXPECT_TRUE(same_bits(feed(executor, sequence, some_tokens(5, 2)), expected));
}

}  // namespace
}  // namespace moe
