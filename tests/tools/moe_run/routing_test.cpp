// moe-run's experiments with the router, as a process: what ran is what the statistics and the costs say.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace moe::test {
namespace {

using nlohmann::json;

// Runs moe-run on a prompt of seven ids and three new ones; its JSON.
json run(const TempDir& folder, const std::string& model, const std::string& flags) {
  const std::string ids = folder.write("ids.json", "[3, 14, 15, 92, 65, 35, 8]").string();
  const ProgramResult result =
      run_in_shell(folder, "moe-run",
                   "-m " + fixture("golden/models/" + model).string() + " --prompt-ids " + ids +
                       " -n 3 --temp 0 --ignore-eos --json " + flags);
  EXPECT_EQ(result.code, 0) << result.err;
  return json::parse(result.out);
}

TEST(MoeRunRouting, StatisticsAddUp) {
  const TempDir folder;
  const std::string file = (folder / "routing.json").string();
  const json r = run(folder, "qwen3_moe-f32",
                     "--experts-per-token 2 --renormalise on --routing-window 2 --routing-stats " + file);
  const json stats = json::parse(read_all(file));
  EXPECT_EQ(stats["window"], 2);
  ASSERT_EQ(stats["layers"].size(), 2u);
  // Seven tokens of the prompt, and two of the three new ones were fed back.
  for (const json& layer : stats["layers"]) {
    EXPECT_EQ(layer["experts"], 6);
    EXPECT_EQ(layer["top_k"], 2);
    EXPECT_EQ(layer["tokens"], 9);
    std::uint64_t load = 0, pairs = 0;
    double weight = 0;
    for (std::size_t e = 0; e < 6; ++e) {
      load += layer["load"][e].get<std::uint64_t>();
      weight += layer["load"][e].get<double>() * layer["mean_weight"][e].get<double>();
    }
    for (const json& pair : layer["pairs"]) {
      EXPECT_LT(pair[0], pair[1]);
      pairs += pair[2].get<std::uint64_t>();
    }
    EXPECT_EQ(load, 18u);
    EXPECT_EQ(pairs, 9u);  // two experts a token are one pair
    EXPECT_NEAR(weight, 9, 1e-5);
    ASSERT_EQ(layer["sets"].size(), 4u);
    EXPECT_EQ(layer["open_set"]["tokens"], 1);
    EXPECT_EQ(layer["open_set"]["experts"].size(), 2u);
    double distinct = 0;
    for (const json& set : layer["sets"]) {
      EXPECT_GE(set.size(), 2u);
      EXPECT_LE(set.size(), 4u);
      distinct += static_cast<double>(set.size());
    }
    EXPECT_DOUBLE_EQ(layer["mean_distinct"].get<double>(), distinct / 4);
    EXPECT_GE(layer["balance"].get<double>(), 1);
    EXPECT_LE(layer["entropy_bits"].get<double>(), std::log2(6) + 1e-9);
  }
  EXPECT_EQ(r["output_ids"].size(), 3u);
}

TEST(MoeRunRouting, AFileThatCannotBeMadeIsKnownBeforeAnythingRuns) {
  const TempDir folder;
  const ProgramResult result =
      run_in_shell(folder, "moe-run",
                   "-m " + fixture("golden/models/qwen3_moe-f32").string() + " --prompt-ids " +
                       folder.write("ids.json", "[3, 14]").string() + " -n 2 --json --routing-stats " +
                       (folder / "none/x.json").string());
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("none/x.json"), std::string::npos) << result.err;
  EXPECT_EQ(result.out, "");
}

TEST(MoeRunRouting, CostsFollowTheNumberOfExperts) {
  const TempDir folder;
  const auto expert_work = [&](const std::string& flags) {
    return run(folder, "qwen3_moe-f32", flags)["cost"]["prefill"]["components"]["experts"]["class_a"]
        .get<std::uint64_t>();
  };
  const std::uint64_t three = expert_work("");
  EXPECT_EQ(expert_work("--experts-per-token 1") * 3, three);
  EXPECT_EQ(expert_work("--experts-per-token 6"), three * 2);
  EXPECT_EQ(expert_work("--renormalise off"), three);
}

}  // namespace
}  // namespace moe::test
