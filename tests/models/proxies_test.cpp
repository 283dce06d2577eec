// The proxies that papers report, against the papers' own figures and the exact count.
#include "engine/model/proxies.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/model/closed_form.h"
#include "models/registry.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

ModelSpec golden_spec(const char* name) {
  return models::describe(std::filesystem::path(MOE_TEST_SOURCE_DIR) / "golden/models" / name).spec;
}

// arXiv 2506.12119, its best 7B run: the table's M of 9.07e9 is three times this proxy a token, at S = 2048.
TEST(Proxies, ReproduceThePapersTrainingCost) {
  const test::TempDir directory;
  std::ofstream(directory.path() / "config.json")
      << R"({"model_type": "moe_alibi", "hidden_size": 2048, "num_hidden_layers": 24,
    "vocab_size": 65536, "num_attention_heads": 16, "head_dim": 128, "intermediate_size": 5464, "num_experts": 78,
    "num_experts_per_tok": 6, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 3072})";
  const CostProxies proxies(models::describe(directory.path()).spec);
  EXPECT_NEAR(static_cast<double>(proxies.active_without_router()), 1.31e9,
              0.01e9);  // the paper rounds to three digits
  EXPECT_NEAR(3.0 * static_cast<double>(proxies.with_attention(2048)) / 2048, 9.07e9, 0.05e9);
  EXPECT_EQ(proxies.active_parameters(),
            proxies.active_without_router() + 23 * 78 * 2048 + std::int64_t{65536} * 2048);
  EXPECT_EQ(proxies.twice_active(3), static_cast<std::uint64_t>(6 * proxies.active_parameters()));
}

std::uint64_t exact_class_a(const ModelSpec& spec, std::int64_t tokens, std::int64_t rows) {
  return closed_form(spec, 0, tokens, rows).total().class_a;
}

// Where nothing is skipped or absorbed, the component formula is the exact class A.
TEST(Proxies, ComponentsAreTheExactMatrixProducts) {
  for (const char* name : {"llama-f32", "qwen3_moe-f32", "qwen3_moe-window-v4", "gemma3_text-f32",
                           "gpt_oss-f32", "moe_alibi-f32"}) {
    const ModelSpec spec = golden_spec(name);
    const CostProxies proxies(spec);
    for (const std::int64_t tokens : {1, 7, 61}) {
      EXPECT_EQ(proxies.by_component(tokens, 1), exact_class_a(spec, tokens, 1)) << name << ' ' << tokens;
      EXPECT_EQ(proxies.by_component(tokens, tokens), exact_class_a(spec, tokens, tokens))
          << name << ' ' << tokens;
    }
  }
}

// Gemma 4's late layers run for wanted rows only, which the formula does not know.
TEST(Proxies, ComponentsDoNotKnowWhatIsSkipped) {
  const ModelSpec spec = golden_spec("gemma4_text-shared-f32");
  EXPECT_GT(CostProxies(spec).by_component(20, 1), exact_class_a(spec, 20, 1));
  EXPECT_EQ(CostProxies(spec).by_component(20, 20), exact_class_a(spec, 20, 20));
}

}  // namespace
}  // namespace moe
