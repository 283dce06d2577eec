// A real trained model, token for token: 200 greedy tokens of a 260 K parameter Llama.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/runtime/generate.h"
#include "models/registry.h"
#include "tests/support/paths.h"

namespace moe {
namespace {

TEST(Stories260K, GreedyTokensAreExact) {
  const auto directory = test::shared_data() / "models/stories260K/hf";
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << "no shared data (set MOE_SHARED_DATA)";
  kernels::ThreadTeam team(2);
  LoadOptions load;
  load.team = &team;
  Executor executor(models::load_model(directory, load), team);
  std::ifstream file(directory / "golden_greedy.json");
  const auto golden = nlohmann::json::parse(file);
  const auto prompt = golden.at("prompt_ids").get<std::vector<std::int32_t>>();
  const auto expected = golden.at("greedy_ids").get<std::vector<std::int32_t>>();
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.max_new_tokens = 200;
  const Generation out = generate(executor, prompt, options);
  ASSERT_EQ(out.tokens.size(), 200U);
  // The file repeats the prompt.
  for (std::size_t i = 0; i < out.tokens.size() && prompt.size() + i < expected.size(); ++i) {
    ASSERT_EQ(out.tokens[i].id, expected[prompt.size() + i]) << "token " << i;
  }
}

}  // namespace
}  // namespace moe
