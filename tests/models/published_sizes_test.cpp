// Parameters and closed forms at the published models' real sizes, from their config.json files alone.
// The numbers come from enumerating transformers' own modules.
#include <gtest/gtest.h>

#include <cctype>
#include <ostream>
#include <string>
#include <vector>

#include "engine/model/closed_form.h"
#include "engine/model/weights.h"
#include "models/registry.h"
#include "tests/support/paths.h"

namespace moe::test {
namespace {

struct Published {
  const char* directory;
  std::int64_t parameters, matmul, head, full, sliding, window;
  std::vector<std::pair<std::int64_t, std::uint64_t>> decode;   // length seen -> class A
  std::vector<std::pair<std::int64_t, std::uint64_t>> prefill;  // every layer over every token, one row of logits
  std::vector<std::pair<std::int64_t, std::uint64_t>> fast_prefill;  // layers without a cache over the last token only
};

const std::vector<Published>& published() {
  static const std::vector<Published> kModels{
      {"google_gemma-4-E2B", 4628569379, 1876819968, 402653184, 114688, 229376, 512,
       {{1, 4559290368}, {1024, 4793827328}, {4096, 5146148864}, {32768, 8434483200}},
       {{512, 1967854190592}, {2048, 8139407622144}, {4096, 16789052325888}},
       {{512, 606329634816}, {2048, 2530747613184}, {4096, 5277026877440}}},
      {"google_gemma-4-E4B", 7463013418, 3972792320, 671088640, 114688, 286720, 512,
       {{1, 9288163328}, {1024, 9552003072}, {4096, 9904324608}, {32768, 13192658944}},
       {{512, 4122197622784}, {2048, 16777675276288}, {4096, 34072552275968}},
       {{512, 2391759388672}, {2048, 9720173166592}, {4096, 19731909705728}}},
      {"google_gemma-4-26B-A4B", 25233141790, 3083632640, 738197504, 163840, 409600, 1024,
       {{1, 7644233728}, {1024, 8230862848}, {4096, 8734179328}, {32768, 13431799808}},
       {{512, 3234424946688}, {2048, 13620255653888}, {4096, 28140768329728}}, {}},
      {"microsoft_Phi-4-mini-instruct", 3836021760, 3221225472, 614596608, 393216, 0, 0,
       {{1, 7672037376}, {1024, 8074297344}, {4096, 9282256896}, {32768, 20556546048}},
       {{512, 3351404347392}, {2048, 14020405100544}, {4096, 29688848449536}}, {}},
      {"microsoft_phi-4", 14659507200, 13631488000, 513802240, 819200, 0, 0,
       {{1, 28291399680}, {1024, 29129441280}, {4096, 31646023680}, {32768, 55134126080}},
       {{512, 14067255214080}, {2048, 57554428231680}, {4096, 118543802695680}}, {}},
      {"Qwen_Qwen3-8B", 8190735360, 6945767424, 622329856, 589824, 0, 0,
       {{1, 15136784384}, {1024, 15740174336}, {4096, 17552113664}, {32768, 34463547392}},
       {{512, 7191170908160}, {2048, 29688662589440}, {4096, 61849981681664}}, {}},
      {"Qwen_Qwen3-30B-A3B", 30532122624, 2730491904, 311164928, 786432, 0, 0,
       {{1, 6084100096}, {1024, 6888620032}, {4096, 9304539136}, {32768, 31853117440}},
       {{512, 2899926581248}, {2048, 12834789916672}, {4096, 28967492386816}}, {}},
  };
  return kModels;
}

ModelSpec spec_of(const std::string& directory) { return models::describe(shared_data() / "configs" / directory).spec; }

void PrintTo(const Published& model, std::ostream* out) { *out << model.directory; }

class PublishedSizes : public ::testing::TestWithParam<Published> {};

TEST_P(PublishedSizes, ParametersAndClosedForms) {
  const Published& expected = GetParam();
  if (!std::filesystem::exists(shared_data() / "configs" / expected.directory)) GTEST_SKIP() << "no shared data (set MOE_SHARED_DATA)";
  const ModelSpec spec = spec_of(expected.directory);
  EXPECT_EQ(count_parameters(spec).total(), expected.parameters);
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

std::string directory_name(const ::testing::TestParamInfo<Published>& info) {
  std::string name = info.param.directory;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Studies, PublishedSizes, ::testing::ValuesIn(published()), directory_name);

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
