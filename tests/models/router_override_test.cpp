// Router experiments: the same as a checkpoint whose config.json says so, and refused where they mean
// nothing.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/base/files.h"
#include "engine/runtime/generate.h"
#include "tests/models/golden_support.h"
#include "tests/support/expect_error.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace moe::test {
namespace {

namespace fs = std::filesystem;

fs::path golden(const char* name) { return fixture("golden/models") / name; }

std::vector<float> logits_of(const std::shared_ptr<const Model>& model,
                             const Executor::Options& options = {}) {
  kernels::ThreadTeam team(2);
  Executor executor(model, team, options);
  const std::vector<std::int32_t> ids{5, 17, 200, 31, 4, 90, 11, 64, 3};
  return prompt_logits(executor, ids, 4);
}

struct Case {
  const char* model;
  models::RouterOverride change;
  const char* config;  // the same as a JSON merge patch
};

class RouterOverrides : public ::testing::TestWithParam<Case> {};

TEST_P(RouterOverrides, GiveTheBitsOfAnEditedConfig) {
  const Case& c = GetParam();
  const TempDir folder;
  auto config = nlohmann::json::parse(read_file(golden(c.model) / "config.json", 1 << 20));
  config.merge_patch(nlohmann::json::parse(c.config));
  folder.write("config.json", config.dump());
  fs::create_symlink(golden(c.model) / "model.safetensors", folder / "model.safetensors");
  const auto changed = logits_of(models::load_model(golden(c.model), {}, c.change));
  EXPECT_TRUE(same_bits(changed, logits_of(models::load_model(folder.path()))));
  EXPECT_FALSE(same_bits(changed, logits_of(models::load_model(golden(c.model)))));
}

INSTANTIATE_TEST_SUITE_P(
    Families, RouterOverrides,
    ::testing::Values(
        Case{"qwen3_moe-f32", {1, std::nullopt}, R"({"num_experts_per_tok": 1})"},
        Case{"qwen3_moe-f32", {6, false}, R"({"num_experts_per_tok": 6, "norm_topk_prob": false})"},
        Case{"qwen2_moe-f32", {std::nullopt, true}, R"({"norm_topk_prob": true})"},
        Case{"mixtral-f32", {4, std::nullopt}, R"({"num_experts_per_tok": 4})"},
        Case{"olmoe-f32", {2, true}, R"({"num_experts_per_tok": 2, "norm_topk_prob": true})"},
        Case{"deepseek_v2-f32", {5, std::nullopt}, R"({"num_experts_per_tok": 5})"},
        Case{"deepseek_v3-f32", {4, false}, R"({"num_experts_per_tok": 4, "norm_topk_prob": false})"},
        Case{"gpt_oss-f32", {1, std::nullopt}, R"({"num_experts_per_tok": 1, "experts_per_token": 1})"},
        Case{"gemma4_text-moe-f32", {3, std::nullopt}, R"({"top_k_experts": 3})"},
        Case{"moe_alibi-f32", {3, true}, R"({"num_experts_per_tok": 3, "norm_topk_prob": true})"}));

TEST(RouterOverride, TurnsASoftmaxOverTheChosenIntoOneOverAll) {
  const auto weights = [](const models::RouterOverride& change) {
    const auto model = models::load_model(golden("gpt_oss-f32"), {}, change);
    RoutingStats stats(model->spec(), 1);
    Executor::Options options;
    options.routing = &stats;
    logits_of(model, options);
    const RoutingStats::Layer& layer = stats.layers().front();
    double sum = 0;
    for (const double w : layer.weight_sum) sum += w;
    return sum / static_cast<double>(layer.tokens);
  };
  EXPECT_NEAR(weights({}), 1, 1e-6);
  EXPECT_NEAR(weights({std::nullopt, true}), 1, 1e-6);
  EXPECT_LT(weights({std::nullopt, false}), 0.999);
  EXPECT_NEAR(weights({6, false}), 1, 1e-6);
}

TEST(RouterOverride, NamesItselfForRecords) {
  EXPECT_EQ(models::name(models::RouterOverride{}), "");
  EXPECT_EQ(models::name({4, std::nullopt}), "experts_per_token=4");
  EXPECT_EQ(models::name({std::nullopt, true}), "renormalise=on");
  EXPECT_EQ(models::name({1, false}), "experts_per_token=1,renormalise=off");
}

TEST(RouterOverride, IsRefusedWhereItMeansNothing) {
  const auto refused = [](const char* model, const models::RouterOverride& change,
                          std::initializer_list<std::string_view> parts) {
    expect_error(ErrorKind::usage, parts, [&] { models::describe(golden(model), change); });
  };
  refused("qwen3_moe-f32", {0, std::nullopt}, {"experts per token", "1 to 6", "0"});
  refused("qwen3_moe-f32", {7, std::nullopt}, {"experts per token", "1 to 6", "7"});
  refused("deepseek_v3-f32", {5, std::nullopt},
          {"experts per token", "1 to 4", "5"});  // two of four groups of two are kept
  refused("llama-f32", {2, std::nullopt}, {"a model with experts", "llama"});
  refused("llama-f32", {std::nullopt, true}, {"a model with experts", "llama"});
}

}  // namespace
}  // namespace moe::test
