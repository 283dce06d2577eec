// moe-inspect run as a process: numbers of published and invented configurations, the three forms, refusals.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/published.h"
#include "tests/support/temp_dir.h"

namespace moe::test {
namespace {

using nlohmann::json;

ProgramResult inspect(const TempDir& folder, const std::string& arguments) {
  return run_in_shell(folder, "moe-inspect", arguments);
}

// A model directory that holds a config.json alone.
std::string model(const TempDir& folder, const json& config) {
  folder.write("model/config.json", config.dump());
  return (folder / "model").string();
}

json inspected(const TempDir& folder, const std::string& arguments) {
  const ProgramResult outcome = inspect(folder, arguments + " --json");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return outcome.code == 0 ? json::parse(outcome.out) : json();
}

std::int64_t number(const json& report, const char* what, const char* form) { return report[what][form].get<std::int64_t>(); }
std::int64_t program_bytes(const json& report) { return report["memory"][0]["program_bytes"].get<std::int64_t>(); }

json flops_at(const json& report, std::int64_t context) {
  for (const json& entry : report["flops"]) {
    if (entry["context"] == context) return entry;
  }
  ADD_FAILURE() << "no context " << context;
  return {};
}

// The dimensions of Phi-4-reasoning: Phi-4's own, with a longer context.
const json kPhi4Reasoning{{"model_type", "phi3"},      {"vocab_size", 100352},        {"hidden_size", 5120},
                          {"intermediate_size", 17920}, {"num_hidden_layers", 40},     {"num_attention_heads", 40},
                          {"num_key_value_heads", 10},  {"rms_norm_eps", 1e-5},        {"tie_word_embeddings", false},
                          {"rope_theta", 500000},       {"max_position_embeddings", 32768}, {"original_max_position_embeddings", 32768},
                          {"pad_token_id", 100349},     {"eos_token_id", 100265},      {"sliding_window", nullptr}};
const json kQwen3Moe{{"model_type", "qwen3_moe"},  {"vocab_size", 151936},    {"hidden_size", 2048},
                     {"intermediate_size", 6144},  {"num_hidden_layers", 48}, {"num_attention_heads", 32},
                     {"num_key_value_heads", 4},   {"head_dim", 128},         {"moe_intermediate_size", 768},
                     {"num_experts", 128},         {"num_experts_per_tok", 8}, {"norm_topk_prob", true},
                     {"tie_word_embeddings", false}, {"max_position_embeddings", 40960}, {"decoder_sparse_step", 1},
                     {"mlp_only_layers", json::array()}, {"rms_norm_eps", 1e-6}, {"rope_theta", 1000000}};

TEST(MoeInspect, Phi4ReasoningIsThePublishedTable) {
  const TempDir folder;
  const json r = inspected(folder, model(folder, kPhi4Reasoning) + " --context 1,512,1024,2048,4096,32768");
  EXPECT_EQ(r["family"], "phi3");
  EXPECT_EQ(r["params_total"], 14659507200);
  EXPECT_EQ(r["matmul_params"], 13631488000);
  EXPECT_EQ(r["head_params"], 513802240);
  EXPECT_EQ(r["params_embedding"], 513802240);
  EXPECT_EQ(r["params_active"], 13631488000 + 513802240 + 414720);
  EXPECT_EQ(r["params_lookup"], 5120);
  EXPECT_EQ(r["alpha_full"], 819200);
  EXPECT_EQ(r["alpha_sliding"], 0);
  EXPECT_EQ(r["window"], 0);
  EXPECT_EQ(r["sparsity"], nullptr);
  EXPECT_EQ(flops_at(r, 1)["decode_class_a"], 28291399680);
  EXPECT_EQ(flops_at(r, 1024)["decode_class_a"], 29129441280);
  EXPECT_EQ(flops_at(r, 4096)["decode_class_a"], 31646023680);
  EXPECT_EQ(flops_at(r, 32768)["decode_class_a"], 55134126080);
  EXPECT_EQ(flops_at(r, 512)["prefill_class_a"], 14067255214080);
  EXPECT_EQ(flops_at(r, 2048)["prefill_class_a"], 57554428231680);
  EXPECT_EQ(flops_at(r, 4096)["prefill_class_a"], 118543802695680);
  EXPECT_EQ(flops_at(r, 4096)["prefill_fast_class_a"], 118543802695680);
  EXPECT_EQ(flops_at(r, 4096)["prefill_fast_class_b"], flops_at(r, 4096)["prefill_class_b"]);
  EXPECT_EQ(r["weight_bytes"]["f32"], 4 * 14659507200);
  EXPECT_EQ(r["weight_bytes"]["bf16"], 2 * 14659507200);
  EXPECT_EQ(r["kv_bytes_per_token"], 40 * 2 * 10 * 128 * 4);
  EXPECT_EQ(r["kv_bytes_per_token_by_type"]["bf16"], 40 * 2 * 10 * 128 * 2);
}

TEST(MoeInspect, ExpertsCountWhereChosen) {
  const TempDir folder;
  const std::string directory = model(folder, kQwen3Moe);
  const json r = inspected(folder, directory + " --tokens 36e12");
  EXPECT_EQ(r["params_total"], 30532122624);
  EXPECT_EQ(r["matmul_params"], 2730491904);
  EXPECT_EQ(r["alpha_full"], 786432);
  EXPECT_EQ(r["sparsity"], 0.9375);
  EXPECT_DOUBLE_EQ(r["activation_rate"].get<double>(), 3041867776.0 / 30532122624.0);
  EXPECT_DOUBLE_EQ(r["tokens_per_parameter"]["total"].get<double>(), 36e12 / 30532122624.0);
  EXPECT_EQ(r["flops"].size(), 4u);
  EXPECT_EQ(flops_at(r, 4096)["decode_class_a"], 9304539136);
  EXPECT_EQ(flops_at(r, 4096)["prefill_class_a"], 28967492386816);
  EXPECT_EQ(flops_at(r, 1)["decode_class_a"], flops_at(r, 1)["prefill_class_a"]);
  // Four experts fewer: 48 layers, three matrices of 768 x 2048 each.
  const json fewer = inspected(folder, directory + " --experts-per-token 4");
  EXPECT_EQ(fewer["matmul_params"], 2730491904 - 48LL * 4 * 3 * 768 * 2048);
  EXPECT_EQ(fewer["params_total"], 30532122624);
  EXPECT_EQ(fewer["sparsity"], 1.0 - 4.0 / 128);
  // q8: 8.5 bits; the router, the vectors and the embedding stay in 16.
  const std::int64_t kept = 311164928 + 12582912 + 210944;
  EXPECT_EQ(r["weight_bytes"]["q8"], 2 * kept + (30532122624 - kept) / 32 * 34);
  EXPECT_EQ(r["weight_bytes"]["q4"], 2 * kept + (30532122624 - kept) / 32 * 18);
}

TEST(MoeInspect, WindowsStopGrowing) {
  const TempDir folder;
  const json config{{"model_type", "mixtral"},    {"vocab_size", 96},        {"hidden_size", 64},       {"intermediate_size", 48},
                    {"num_hidden_layers", 2},     {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"num_local_experts", 4},
                    {"num_experts_per_tok", 2},   {"sliding_window", 32},    {"max_position_embeddings", 4096}};
  const json r = inspected(folder, model(folder, config) + " --context 32,33,1000,4000 --chunk 64");
  EXPECT_EQ(r["alpha_full"], 0);
  EXPECT_EQ(r["window"], 32);
  EXPECT_EQ(r["alpha_sliding"], 2 * 2 * 4 * 32);
  EXPECT_EQ(flops_at(r, 32)["decode_class_a"], flops_at(r, 4000)["decode_class_a"]);
  const std::int64_t slope = 2 * 2 * 4 * 32, per_token = 2 * r["matmul_params"].get<std::int64_t>();
  EXPECT_EQ(flops_at(r, 33)["prefill_class_a"], 33 * per_token + 2 * 96 * 64 + slope * (32 * 33 / 2 + 32));
  const std::int64_t token = 2 * 2 * 2 * 16 * 4;
  EXPECT_EQ(r["kv_bytes_per_token_full"], 0);
  EXPECT_EQ(r["kv_bytes_per_token_sliding"], token);
  EXPECT_EQ(r["memory"][0]["kv_bytes"], 32 * token);
  EXPECT_EQ(r["memory"][1]["kv_bytes"], 64 * token);
  // A chunk of 64 and what the window keeps of the positions before: 31, hence one block more.
  EXPECT_EQ(r["memory"][2]["kv_bytes"], 96 * token);
  EXPECT_EQ(r["memory"][3]["kv_bytes"], 96 * token);
  // Beside q8 and q4 the cache is in bf16 and products read int8.
  EXPECT_EQ(r["memory"][3]["kv_bytes_quantised"], 96 * token / 2);
  EXPECT_LT(r["memory"][3]["work_bytes_quantised"], r["memory"][3]["work_bytes"]);
  // The cache lies on huge pages; a model's memory is all of it at once.
  constexpr std::int64_t kHugePage = 2 << 20;
  EXPECT_EQ(r["memory"][3]["kv_memory_bytes"], kHugePage);
  EXPECT_EQ(r["memory"][3]["bytes"]["q8"], number(r, "resident_weight_bytes", "q8") + kHugePage +
                                               r["memory"][3]["work_bytes_quantised"].get<std::int64_t>() + program_bytes(r));
  EXPECT_EQ(r["memory"][3]["bytes"]["bf16"], number(r, "resident_weight_bytes", "bf16") + kHugePage +
                                                 r["memory"][3]["work_bytes"].get<std::int64_t>() + program_bytes(r));
}

TEST(MoeInspect, LoadingMayTakeMoreThanRunning) {
  const TempDir folder;
  const json r = inspected(folder, model(folder, kPhi4Reasoning) + " --context 1");
  // The last matrix, 5120 x 17920 in bf16, is packed in six slabs.
  const std::int64_t slab = 5120LL * 17920 * 2 / 6;
  for (const char* form : {"bf16", "q8", "q4"}) {
    EXPECT_EQ(number(r, "loading_weight_bytes", form), number(r, "resident_weight_bytes", form) + slab) << form;
    EXPECT_EQ(r["memory"][0]["bytes"][form], number(r, "loading_weight_bytes", form) + program_bytes(r)) << form;
  }
}

// A layer whose MLP runs by blocks of rows: no context needs less than a shorter one.
TEST(MoeInspect, BuffersGrowWithTheContext) {
  const TempDir folder;
  const json r = inspected(folder, model(folder, kPhi4Reasoning) + " --context 192,193,224,225,448,449,512,4096");
  for (std::size_t i = 1; i < r["memory"].size(); ++i) {
    EXPECT_GE(r["memory"][i]["work_bytes"], r["memory"][i - 1]["work_bytes"]) << i;
    EXPECT_GE(r["memory"][i]["work_bytes_quantised"], r["memory"][i - 1]["work_bytes_quantised"]) << i;
  }
}

TEST(MoeInspect, TheStudiesConfigurations) {
  if (!std::filesystem::exists(shared_data() / "configs")) GTEST_SKIP() << "no shared data (set MOE_SHARED_DATA)";
  const TempDir folder;
  for (const PublishedModel& model : published_models()) {
    SCOPED_TRACE(model.directory);
    const json r = inspected(folder, (shared_data() / "configs" / model.directory).string() +
                                         " --context 1,512,1024,2048,4096,32768");
    EXPECT_EQ(r["params_total"], model.parameters);
    EXPECT_EQ(r["matmul_params"], model.matmul);
    EXPECT_EQ(r["head_params"], model.head);
    EXPECT_EQ(r["params_active"],
              model.matmul + model.head + r["params_split"]["vectors_active"].get<std::int64_t>());
    EXPECT_EQ(r["params_split"]["experts"], model.experts);
    EXPECT_EQ(r["params_split"]["per_layer_table"], model.per_layer_table);
    EXPECT_EQ(r["alpha_full"], model.full);
    EXPECT_EQ(r["alpha_sliding"], model.sliding);
    EXPECT_EQ(r["window"], model.window);
    for (const auto& [length, class_a] : model.decode)
      EXPECT_EQ(flops_at(r, length)["decode_class_a"], class_a) << length;
    for (const auto& [length, class_a] : model.prefill)
      EXPECT_EQ(flops_at(r, length)["prefill_class_a"], class_a) << length;
    const auto& fast = model.fast_prefill.empty() ? model.prefill : model.fast_prefill;
    for (const auto& [length, class_a] : fast)
      EXPECT_EQ(flops_at(r, length)["prefill_fast_class_a"], class_a) << length;
  }
}

TEST(MoeInspect, TextAndMarkdownHoldTheNumbers) {
  const TempDir folder;
  const std::string directory = model(folder, kQwen3Moe);
  const ProgramResult text = inspect(folder, directory), markdown = inspect(folder, directory + " --markdown");
  for (const ProgramResult* o : {&text, &markdown}) {
    EXPECT_EQ(o->code, 0) << o->err;
    for (const char* part : {"30 532 122 624", "2 730 491 904", "8 of 128 experts of 768", "9 304 539 136", "0.9375"}) {
      EXPECT_NE(o->out.find(part), std::string::npos) << part;
    }
  }
  EXPECT_NE(markdown.out.find("| total | 30 532 122 624 |"), std::string::npos);
}

TEST(MoeInspect, RefusesInOneLine) {
  const TempDir folder;
  const std::string directory = model(folder, kQwen3Moe);
  const auto refused = [&](const std::string& arguments, int code, const char* part) {
    const ProgramResult o = inspect(folder, arguments);
    EXPECT_EQ(o.code, code) << arguments << ": " << o.err;
    EXPECT_EQ(o.out, "");
    // The parser's own complaints may be followed by a line that names --help.
    EXPECT_LE(std::count(o.err.begin(), o.err.end(), '\n'), code == 2 ? 2 : 1) << o.err;
    EXPECT_EQ(o.err.rfind("moe-inspect: error: ", 0), 0u) << o.err;
    EXPECT_NE(o.err.find(part), std::string::npos) << o.err;
  };
  refused("", 2, "model");
  refused(directory + " --context 0", 2, "context");
  refused(directory + " --context 1,x", 2, "context");
  refused(directory + " --json --markdown", 2, "json");
  refused(directory + " --experts-per-token 129", 2, "experts per token");
  refused(directory + " --tokens 0", 2, "--tokens");
  refused(model(folder, kPhi4Reasoning) + " --experts-per-token 2", 2, "dense");
  refused(model(folder, {{"model_type", "unheard_of"}}), 1, "unheard_of");
  json huge = kQwen3Moe;
  huge["num_experts"] = 65536;
  refused(model(folder, huge), 1, "experts of all layers");
  huge = kPhi4Reasoning;
  huge["num_hidden_layers"] = 4096;
  huge["hidden_size"] = 1 << 20;
  huge["head_dim"] = 1 << 16;
  huge["num_attention_heads"] = huge["num_key_value_heads"] = 1 << 16;
  huge["intermediate_size"] = 1 << 30;
  refused(model(folder, huge), 1, "expected");
}

}  // namespace
}  // namespace moe::test
