// moe-run and moe-bench --fast-prefill, as processes: the same tokens for less work.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace moe::test {
namespace {

using nlohmann::json;

json run(const TempDir& folder, const std::string& program, const std::string& flags) {
  const ProgramResult result =
      run_in_shell(folder, program, "-m " + fixture("golden/models/qwen3_moe-f32").string() + " -t 1 " + flags);
  EXPECT_EQ(result.code, 0) << result.err;
  return json::parse(result.out);
}

TEST(FastPrefill, GivesTheSameTokensForLessWork) {
  const TempDir folder;
  const std::string flags = "--prompt-ids " + folder.write("ids.json", "[3, 14, 15, 92, 65, 35, 8]").string() +
                            " -n 5 --temp 0 --ignore-eos --chunk 3 --json ";
  json whole = run(folder, "moe-run", flags), fast = run(folder, "moe-run", flags + "--fast-prefill");
  ASSERT_EQ(whole["output_ids"].size(), 5U);
  EXPECT_EQ(fast["output_ids"], whole["output_ids"]);
  EXPECT_EQ(fast["cost"]["decode"], whole["cost"]["decode"]);
  const json &all = whole["cost"]["prefill"]["components"], &less = fast["cost"]["prefill"]["components"];
  // Two layers: of seven rows of the second one is left.
  EXPECT_EQ(less["experts"]["class_a"].get<std::uint64_t>() * 14, all["experts"]["class_a"].get<std::uint64_t>() * 8);
  EXPECT_LT(less["attn_core"]["class_a"], all["attn_core"]["class_a"]);
  EXPECT_LT(less["attn_proj"]["class_a"], all["attn_proj"]["class_a"]);
  EXPECT_EQ(less["lm_head"], all["lm_head"]);
}

TEST(FastPrefill, IsWhatTheBenchmarkSays) {
  const TempDir folder;
  const json tests = run(folder, "moe-bench", "-p 8 -n 0 -r 1 -o json --fast-prefill");
  ASSERT_EQ(tests.size(), 1U);
  EXPECT_EQ(tests[0]["fast_prefill"], true);
  EXPECT_EQ(run(folder, "moe-bench", "-p 8 -n 0 -r 1 -o json")[0]["fast_prefill"], false);
}

}  // namespace
}  // namespace moe::test
