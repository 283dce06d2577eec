// Where generation stops, and what it says of an unfinished one.
#include "engine/runtime/generate.h"

#include <gtest/gtest.h>

#include "models/registry.h"
#include "tests/support/paths.h"

namespace moe {
namespace {

class Generate : public testing::Test {
 protected:
  Generation run(const GenerateOptions& options, const GenerateHooks& hooks = {}) {
    return generate(executor_, std::vector<std::int32_t>(20, 7), options, hooks);
  }

  kernels::ThreadTeam team_{1};
  Executor executor_{models::load_model(test::fixture("golden/models/llama-f32")), team_};
};

GenerateOptions greedy(std::int32_t tokens) {
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.max_new_tokens = tokens;
  return options;
}

TEST_F(Generate, AnInterruptedPromptStillSaysWhatItTook) {
  GenerateOptions options = greedy(4);
  options.chunk = 8;
  GenerateHooks hooks;
  hooks.interrupted = [] { return true; };
  const Generation out = run(options, hooks);
  EXPECT_EQ(out.finish, FinishReason::interrupted);
  EXPECT_EQ(out.prefill.tokens, 8U);
  EXPECT_GT(out.prefill_s, 0);
  EXPECT_TRUE(out.tokens.empty());
}

TEST_F(Generate, AnInterruptedAnswerKeepsItsTokens) {
  int drawn = 0;
  GenerateHooks hooks;
  hooks.interrupted = [&] { return drawn == 3; };
  hooks.on_token = [&](std::int32_t) { return ++drawn > 0; };
  const Generation out = run(greedy(10), hooks);
  EXPECT_EQ(out.finish, FinishReason::interrupted);
  EXPECT_EQ(out.tokens.size(), 3U);
  EXPECT_EQ(out.decode.tokens, 3U);
  EXPECT_NE(out.logits_hash, 0U);
}

TEST_F(Generate, TheContextIsTheLastEnd) {
  GenerateOptions options = greedy(10);
  options.context = 22;
  const Generation out = run(options);
  EXPECT_EQ(out.finish, FinishReason::context);
  EXPECT_EQ(out.tokens.size(), 3U);  // the last one is drawn, and has no place to be read
}

TEST_F(Generate, LogitsOfThePromptAreGivenOnDemand) {
  std::size_t floats = 0;
  GenerateHooks hooks;
  hooks.on_logits = [&](std::span<const float> rows) { floats += rows.size(); };
  GenerateOptions options = greedy(0);
  run(options, hooks);
  const std::size_t vocab = executor_.model().spec().vocab;
  EXPECT_EQ(floats, vocab);
  floats = 0;
  options.all_prompt_logits = true;
  options.chunk = 6;
  run(options, hooks);
  EXPECT_EQ(floats, 20 * vocab);
}

}  // namespace
}  // namespace moe
