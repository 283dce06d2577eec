// moe-bench run as a process: made-up models from a config alone, the four formats, refusals.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/kernel_table.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace moe::test {
namespace {

using nlohmann::json;

class MoeBench : public ::testing::Test {
 protected:
  MoeBench() { folder_.write("tiny/config.json", kConfig.dump()); }

  ProgramResult run(const std::string& arguments) { return run_in_shell(folder_, "moe-bench", arguments); }
  json results(const std::string& arguments) {
    const ProgramResult outcome = run(arguments + " -o json");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? json::parse(outcome.out) : json::array();
  }
  std::string tiny() const { return (folder_ / "tiny").string(); }

  static const json kConfig;
  TempDir folder_;
};

const json MoeBench::kConfig{{"model_type", "qwen3_moe"},
                             {"vocab_size", 300},
                             {"hidden_size", 64},
                             {"num_hidden_layers", 3},
                             {"num_attention_heads", 4},
                             {"num_key_value_heads", 2},
                             {"head_dim", 16},
                             {"moe_intermediate_size", 32},
                             {"num_experts", 8},
                             {"num_experts_per_tok", 2},
                             {"norm_topk_prob", true},
                             {"max_position_embeddings", 512},
                             {"tie_word_embeddings", false},
                             {"torch_dtype", "bfloat16"}};

TEST_F(MoeBench, RunsEveryTestOfALoneConfig) {
  const json all =
      results("-m " + tiny() + " --layers 2 -p 8,40 -n 4 -pg 8,2 -d 0,33 -b 1,3 --chunk 16 -t 1,2 -r 2");
  // 4 tests at 2 depths, 2 batches and 2 numbers of threads.
  ASSERT_EQ(all.size(), 4U * 2 * 2 * 2);
  for (const json& r : all) {
    EXPECT_EQ(r["model"], "tiny");
    EXPECT_EQ(r["layers"], 2);
    EXPECT_EQ(r["random"], true);
    EXPECT_EQ(r["seconds"].size(), 2U);
    const double tokens =
        r["n_batch"].get<double>() * (r["n_prompt"].get<double>() + r["n_gen"].get<double>());
    EXPECT_EQ(r["cost"]["tokens"].get<double>(), tokens);
    const json& ts = r["tokens_per_second"];
    EXPECT_LE(ts["min"], ts["median"]);
    EXPECT_LE(ts["median"], ts["max"]);
    for (const char* limit : {"read_bandwidth", "f32", "bf16", "int8"}) EXPECT_GT(r["limits"][limit], 0);
    EXPECT_GT(r["of_peak"], 0);
    EXPECT_LT(r["of_peak"], 1.2);
    EXPECT_GT(r["of_bandwidth"], 0);  // above 1 where the processor's caches hold the model
    double share = 0;
    for (const json& part : r["components"]) share += part["share"].get<double>();
    EXPECT_NEAR(share, 1, 1e-6);
    EXPECT_GT(r["components"]["experts"]["seconds"], 0);
  }
  EXPECT_EQ(all.back()["test"], "pp8+tg2 @ d33 x3");
  EXPECT_EQ(all.back()["threads"], 2);
}

TEST_F(MoeBench, SharedPrefixChangesNothingButWhatTheSequencesHold) {
  const std::string arguments = "-m " + tiny() + " -p 0 -n 4 -d 64 -b 4 -t 1 -r 1";
  const json apart = results(arguments), shared = results(arguments + " --shared-prefix");
  ASSERT_EQ(apart.size(), 1U);
  ASSERT_EQ(shared.size(), 1U);
  EXPECT_EQ(apart[0]["cost"]["components"], shared[0]["cost"]["components"]);
}

TEST_F(MoeBench, ComputesInWhatIsUsualBesideTheWeights) {
  const json usual = results("-m " + tiny() + " -p 8 -n 0 -r 1 --weights native,q8");
  ASSERT_EQ(usual.size(), 2U);
  EXPECT_EQ(usual[0]["compute"], "f32");
  EXPECT_EQ(usual[0]["cache"], "f32");
  EXPECT_EQ(usual[1]["compute"], "int8");
  EXPECT_EQ(usual[1]["cache"], "bf16");
  const json asked = results("-m " + tiny() + " -p 8 -n 0 -r 1 --weights q8 --compute f32,bf16");
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0]["compute"], "f32");
  EXPECT_EQ(asked[1]["compute"], "bf16");
}

TEST_F(MoeBench, AttentionStandsBesideThePeakOfWhatItMultiplies) {
  const bool has_bf16 = kernels::select_kernels().bf16_input_bytes == 2;
  for (const auto& [compute, peak] : {std::pair("f32", "f32"), std::pair("bf16", has_bf16 ? "bf16" : "f32")}) {
    const json all = results("-m " + tiny() + " -p 64 -n 0 -t 1 -r 1 --compute " + compute);
    ASSERT_EQ(all.size(), 1U);
    const json& attention = all[0]["components"]["attn_core"];
    EXPECT_NEAR(attention["flops_per_second"].get<double>() / all[0]["limits"][peak].get<double>() / attention["of_peak"].get<double>(), 1, 1e-6);
  }
}

// However a prompt is cut, the head is computed behind all of it, and behind each token that is written.
TEST_F(MoeBench, CountsAHeadAPromptAndOneAToken) {
  const json all = results("-m " + tiny() + " -p 64 -n 2 -pg 64,2 -d 0,24 --chunk 16 -t 1 -r 1");
  ASSERT_EQ(all.size(), 6U);
  const auto head = [&](std::size_t i) { return all[i]["cost"]["components"]["lm_head"]["class_a"].get<std::uint64_t>(); };
  for (const std::size_t depth : {0U, 3U}) {
    EXPECT_EQ(head(depth), 2U * 300 * 64) << all[depth]["test"];
    EXPECT_EQ(head(depth + 1), 2 * head(depth)) << all[depth + 1]["test"];
    EXPECT_EQ(head(depth + 2), 3 * head(depth)) << all[depth + 2]["test"];
  }
}

TEST_F(MoeBench, MakesWeightsUpInTheTypeThatAMultimodalConfigSays) {
  const json text{{"model_type", "gemma3_text"},  {"vocab_size", 300},      {"hidden_size", 64},         {"num_hidden_layers", 2},
                  {"intermediate_size", 96},      {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"head_dim", 16},
                  {"max_position_embeddings", 64}, {"sliding_window", 32}};
  const auto bytes = [&](const char* folder, const char* type) {
    json config{{"model_type", "gemma3"}, {"text_config", text}};
    config["text_config"]["dtype"] = type;
    folder_.write(std::string(folder) + "/config.json", config.dump());
    return results("-m " + (folder_ / folder).string() + " -p 8 -n 0 -t 1 -r 1")[0]["weight_bytes"].get<double>();
  };
  const double f32 = bytes("f32", "float32"), f16 = bytes("f16", "float16"), bf16 = bytes("bf16", "bfloat16");
  EXPECT_GT(f32, 1.8 * bf16);  // vectors are f32 in any case
  EXPECT_EQ(f16, bf16);
}

TEST_F(MoeBench, TakesACheckpointOrMakesItUp) {
  const std::string model = fixture("golden/models/qwen3_moe-f32").string();
  const std::string rest = " -p 8 -n 0 -t 1 -r 1";
  EXPECT_EQ(results("-m " + model + rest)[0]["random"], false);
  EXPECT_EQ(results("-m " + model + " --random" + rest)[0]["random"], true);
  EXPECT_EQ(results("-m " + model + "/config.json" + rest)[0]["random"], true);
  EXPECT_EQ(results("-m " + model + " --layers 1" + rest)[0]["layers"], 1);
}

TEST_F(MoeBench, WritesTables) {
  const std::string arguments = "-m " + tiny() + " -p 8 -n 2 -t 1 -r 2";
  const ProgramResult csv = run(arguments + " -o csv");
  std::istringstream lines(csv.out);
  std::string line;
  int count = 0;
  for (std::size_t columns = 0; std::getline(lines, line); ++count) {
    const auto commas = std::size_t(std::ranges::count(line, ','));
    if (count == 0) columns = commas;
    EXPECT_EQ(commas, columns) << line;
  }
  EXPECT_EQ(count, 3);

  const ProgramResult markdown = run(arguments + " --breakdown");
  EXPECT_NE(markdown.out.find("| pp8 |"), std::string::npos);
  EXPECT_NE(markdown.out.find("| tg2 |"), std::string::npos);
  EXPECT_NE(markdown.out.find("GB/s"), std::string::npos);
  EXPECT_NE(markdown.out.find("| experts |"), std::string::npos);

  const ProgramResult jsonl = run(arguments + " -o jsonl");
  std::istringstream objects(jsonl.out);
  for (count = 0; std::getline(objects, line); ++count) EXPECT_TRUE(json::parse(line).is_object());
  EXPECT_EQ(count, 2);
}

TEST_F(MoeBench, RefusesWhatMakesNoSense) {
  for (const char* arguments :
       {"--layers 4", "-pg 8", "-pg 8,x", "-pg 0,8", "-o xml", "-r 0", "--weights q9"}) {
    const ProgramResult outcome = run("-m " + tiny() + " -t 1 " + arguments);
    EXPECT_EQ(outcome.code, 2) << arguments << outcome.err;
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  }
  EXPECT_EQ(run("-m " + (folder_ / "nothing").string()).code, 2);
}

}  // namespace
}  // namespace moe::test
