// Parameters and closed forms at the published models' real sizes, from their config.json files alone.
// The numbers come from enumerating transformers' own modules.
#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <vector>

#include "engine/model/closed_form.h"
#include "engine/model/weights.h"
#include "models/registry.h"
#include "tests/support/paths.h"
#include "tests/support/published.h"

namespace moe::test {
namespace {

ModelSpec spec_of(const std::string& directory) { return models::describe(shared_data() / "configs" / directory).spec; }

class PublishedSizes : public ::testing::TestWithParam<PublishedModel> {};

TEST_P(PublishedSizes, ParametersAndClosedForms) {
  const PublishedModel& expected = GetParam();
  if (!std::filesystem::exists(shared_data() / "configs" / expected.directory)) GTEST_SKIP() << "no shared data (set MOE_SHARED_DATA)";
  const ModelSpec spec = spec_of(expected.directory);
  const ParameterCount count = count_parameters(spec);
  EXPECT_EQ(count.total(), expected.parameters);
  EXPECT_EQ(count.embedding, expected.head);
  EXPECT_EQ(count.attention, expected.attention);
  EXPECT_EQ(count.dense_mlp, expected.dense_mlp);
  EXPECT_EQ(count.router, expected.router);
  EXPECT_EQ(count.experts, expected.experts);
  EXPECT_EQ(count.experts_active, expected.experts_active);
  EXPECT_EQ(count.per_layer_matrices, expected.per_layer_matrices);
  EXPECT_EQ(count.per_layer_table, expected.per_layer_table);
  EXPECT_EQ(count.vectors, expected.vectors);
  EXPECT_EQ(matmul_parameters(spec), expected.matmul);
  EXPECT_EQ(std::int64_t{spec.vocab} * spec.hidden, expected.head);
  const AttentionSlopes slopes = attention_slopes(spec);
  EXPECT_EQ(slopes.full, expected.full);
  EXPECT_EQ(slopes.sliding, expected.sliding);
  EXPECT_EQ(slopes.window, expected.window);
  for (const auto& [length, class_a] : expected.decode) {
    EXPECT_EQ(closed_form(spec, length - 1, 1, 1).total().class_a, class_a) << "decode at " << length;
  }
  const auto head = 2 * std::uint64_t(expected.head);
  for (const auto& [length, class_a] : expected.prefill) {
    EXPECT_EQ(closed_form(spec, 0, length, length).total().class_a - head * std::uint64_t(length - 1), class_a)
        << "prefill of " << length;
  }
  const auto& last_row = expected.fast_prefill.empty() ? expected.prefill : expected.fast_prefill;
  for (const auto& [length, class_a] : last_row) {
    EXPECT_EQ(closed_form(spec, 0, length, 1).total().class_a, class_a) << "prefill of " << length << " for one row";
  }
}

std::string directory_name(const ::testing::TestParamInfo<PublishedModel>& info) {
  std::string name = info.param.directory;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Studies, PublishedSizes, ::testing::ValuesIn(published_models()), directory_name);

TEST(PublishedTotals, OfTheOtherFamilies) {
  if (!std::filesystem::exists(shared_data() / "configs")) GTEST_SKIP() << "no shared data (set MOE_SHARED_DATA)";
  const std::vector<std::pair<const char*, std::int64_t>> totals{
      {"Qwen_Qwen3-0.6B", 596049920},
      {"Qwen_Qwen3-1.7B", 1720574976},
      {"meta-llama_Meta-Llama-3.1-8B", 8030261248},
      {"mistralai_Mixtral-8x7B-v0.1", 46702792704},
      {"allenai_OLMoE-1B-7B-0125-Instruct", 6919161856},
      {"deepseek-ai_DeepSeek-V2-Lite", 15706484224},
      {"deepseek-ai_DeepSeek-V3", 671026419200},
      {"openai_gpt-oss-20b", 20914757184},
      {"google_gemma-4-31B", 30697345340},
  };
  for (const auto& [directory, total] : totals) EXPECT_EQ(count_parameters(spec_of(directory)).total(), total) << directory;
}

}  // namespace
}  // namespace moe::test
