// Every family against its published code on tiny random checkpoints: logits within 1e-4 of their range, 64 greedy
// tokens identical, and the same bits however a prompt is cut, batched or spread over threads.
#include <algorithm>
#include <cmath>
#include <string>

#include "engine/runtime/generate.h"
#include "tests/models/golden_support.h"

namespace moe::test {
namespace {

constexpr float kTolerance = 1e-4F;  // of the logits' range

class GoldenLogits : public GoldenTest {};
class GoldenGreedy : public GoldenTest {};
class GoldenBits : public GoldenTest {};

// Largest distance between a prompt's logits and the reference, as far as it kept them.
float worst_difference(const GoldenModel& golden, const GoldenPrompt& prompt, std::span<const float> logits) {
  float worst = 0;
  const auto compare = [&](float found, float expected) {
    const float distance = std::abs(found - expected);
    worst = std::isnan(distance) ? INFINITY : std::max(worst, distance);
  };
  for (std::size_t i = 0; i < prompt.rows.size(); ++i) {
    const float* expected = golden.rows.row(prompt.first_row + std::int64_t(i));
    for (std::int64_t v = 0; v < golden.vocab; ++v) compare(logits[std::size_t(prompt.rows[i] * golden.vocab + v)], expected[v]);
  }
  for (std::size_t position = 0; position < prompt.ids.size(); ++position) {
    const float* expected = golden.columns.row(prompt.first_column_row + std::int64_t(position));
    for (std::size_t c = 0; c < golden.column_ids.size(); ++c) {
      compare(logits[position * std::size_t(golden.vocab) + std::size_t(golden.column_ids[c])], expected[c]);
    }
  }
  return worst;
}

TEST_P(GoldenLogits, EqualTheReferenceUnderEveryKernelTable) {
  kernels::ThreadTeam team(1);
  for (const std::string_view name : kernels::supported_kernel_names()) {
    Executor::Options options;
    options.kernels = &kernels::select_kernels(name);
    Executor executor(model_, team, options);
    float worst = 0;
    for (const GoldenPrompt& prompt : golden_.prompts) {
      const auto logits = prompt_logits(executor, prompt.ids, prompt.ids.size());
      ASSERT_EQ(logits.size(), prompt.ids.size() * std::size_t(golden_.vocab));
      const float difference = worst_difference(golden_, prompt, logits) / golden_.logit_range;
      EXPECT_LE(difference, kTolerance) << name << ", prompt of " << prompt.ids.size() << " tokens";
      worst = std::max(worst, difference);
    }
    RecordProperty("worst_of_range_" + std::string(name), std::to_string(worst));
    std::printf("  %s: worst |difference| %.1e of the range\n", std::string(name).c_str(), double(worst));
  }
}

void expect_greedy_tokens(const GoldenModel& golden, Executor& executor) {
  for (const GoldenPrompt& prompt : golden.prompts) {
    if (prompt.greedy.empty()) continue;
    GenerateOptions options;
    options.sampling.temperature = 0;
    options.max_new_tokens = std::int32_t(prompt.greedy.size());
    options.context = 1024;  // some cases run behind their max_position_embeddings
    options.chunk = 7;
    std::vector<std::vector<float>> rows;
    GenerateHooks hooks;
    hooks.on_logits = [&](std::span<const float> logits) {
      rows.emplace_back(logits.end() - std::ptrdiff_t(golden.vocab), logits.end());
    };
    const Generation out = generate(executor, prompt.ids, options, hooks);
    ASSERT_EQ(out.tokens.size(), prompt.greedy.size());
    ASSERT_EQ(rows.size(), prompt.greedy.size());
    float worst = 0;
    for (std::size_t i = 0; i < prompt.greedy.size(); ++i) {
      ASSERT_EQ(out.tokens[i].id, prompt.greedy[i]) << "token " << i << " after " << prompt.ids.size();
      const float* expected = golden.columns.row(prompt.first_step + std::int64_t(i));
      for (std::size_t c = 0; c < golden.column_ids.size(); ++c) {
        worst = std::max(worst, std::abs(rows[i][std::size_t(golden.column_ids[c])] - expected[c]));
      }
    }
    EXPECT_LE(worst / golden.logit_range, kTolerance) << "logits while decoding after " << prompt.ids.size();
  }
}

TEST_P(GoldenGreedy, SixtyFourTokensAreIdenticalUnderEveryKernelTable) {
  kernels::ThreadTeam team(2);
  for (const std::string_view name : kernels::supported_kernel_names()) {
    SCOPED_TRACE(name);
    Executor::Options options;
    options.kernels = &kernels::select_kernels(name);
    Executor executor(model_, team, options);
    expect_greedy_tokens(golden_, executor);
  }
}

// The longest prompt up to 127 tokens: longer ones add time, not cases.
const GoldenPrompt& long_prompt(const GoldenModel& golden) {
  const GoldenPrompt* best = &golden.prompts.front();
  for (const GoldenPrompt& prompt : golden.prompts) {
    if (prompt.ids.size() <= 127 && prompt.ids.size() > best->ids.size()) best = &prompt;
  }
  return *best;
}

TEST_P(GoldenBits, DoNotDependOnChunksOrThreads) {
  const GoldenPrompt& prompt = long_prompt(golden_);
  for (const std::string_view name : kernels::supported_kernel_names()) {
    if (name == "openblas") continue;  // a comparator: its sums depend on the shape
    Executor::Options options;
    options.kernels = &kernels::select_kernels(name);
    std::vector<float> expected;
    for (const int threads : {1, 2, 3}) {
      kernels::ThreadTeam team(threads);
      Executor executor(model_, team, options);
      if (expected.empty()) expected = prompt_logits(executor, prompt.ids, prompt.ids.size());
      for (const std::size_t chunk : {std::size_t(1), std::size_t(3), std::size_t(16), prompt.ids.size()}) {
        EXPECT_TRUE(same_bits(prompt_logits(executor, prompt.ids, chunk), expected))
            << name << ", chunks of " << chunk << ", " << threads << " threads";
      }
    }
  }
}

TEST_P(GoldenBits, DoNotDependOnOtherSequences) {
  kernels::ThreadTeam team(2);
  Executor executor(model_, team);
  // Every prompt alone, then its tokens a few at a time in batches with all others at other positions.
  std::vector<std::vector<float>> alone;
  std::vector<Sequence> sequences;
  std::vector<std::vector<float>> together(golden_.prompts.size());
  for (const GoldenPrompt& prompt : golden_.prompts) {
    alone.push_back(prompt_logits(executor, prompt.ids, prompt.ids.size()));
    sequences.push_back(executor.new_sequence());
    sequences.back().expect_length(std::int32_t(prompt.ids.size()));
  }
  std::vector<std::size_t> fed(golden_.prompts.size(), 0);
  for (std::size_t round = 0;; ++round) {
    std::vector<Feed> feeds;
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < golden_.prompts.size(); ++i) {
      const std::span<const std::int32_t> ids = golden_.prompts[i].ids;
      const std::size_t count = std::min(1 + (round * 5 + i * 3) % 13, ids.size() - fed[i]);
      if (count == 0) continue;
      feeds.push_back({&sequences[i], ids.subspan(fed[i], count), LogitsWanted::all});
      owners.push_back(i);
      fed[i] += count;
    }
    if (feeds.empty()) break;
    auto rows = executor.forward(feeds);
    for (std::size_t f = 0; f < feeds.size(); ++f) {
      const auto own = rows.first(feeds[f].tokens.size() * std::size_t(golden_.vocab));
      together[owners[f]].insert(together[owners[f]].end(), own.begin(), own.end());
      rows = rows.subspan(own.size());
    }
  }
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_TRUE(same_bits(together[i], alone[i])) << "prompt of " << golden_.prompts[i].ids.size() << " tokens";
  }
}

// A fork decodes as the original would, whichever of the two goes on first.
TEST_P(GoldenBits, ForksDecodeAsTheOriginal) {
  kernels::ThreadTeam team(2);
  Executor executor(model_, team);
  const GoldenPrompt& prompt = long_prompt(golden_);
  Sequence original = executor.new_sequence();
  prompt_logits(executor, prompt.ids, 16, &original);
  const auto step = [&](Sequence& sequence, std::int32_t id) {
    const Feed feed{&sequence, {&id, 1}, LogitsWanted::last};
    const auto row = executor.forward({&feed, 1});
    return std::vector<float>(row.begin(), row.end());
  };
  Sequence fork = original;
  const auto first = step(original, 3);
  const auto other = step(fork, 4);
  Sequence again = executor.new_sequence();
  prompt_logits(executor, prompt.ids, prompt.ids.size(), &again);
  EXPECT_TRUE(same_bits(step(again, 4), other));
  EXPECT_FALSE(same_bits(first, other));
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenLogits, ::testing::ValuesIn(golden_names()), case_name);
INSTANTIATE_TEST_SUITE_P(Models, GoldenGreedy, ::testing::ValuesIn(golden_names()), case_name);
INSTANTIATE_TEST_SUITE_P(Models, GoldenBits, ::testing::ValuesIn(golden_names()), case_name);

}  // namespace
}  // namespace moe::test
