// A program takes the memory that moe-inspect said it would, while it loads and while it runs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/checkpoint/safetensors_writer.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/broken_inputs.h"

namespace moe::test {
namespace {

using nlohmann::json;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitised = true;
#else
constexpr bool kSanitised = false;
#endif

// One layer whose last matrix, 2048 x 12288, is larger than a slab.
const json kLlama{{"model_type", "llama"},        {"vocab_size", 512},       {"hidden_size", 2048},
                  {"intermediate_size", 12288},   {"num_hidden_layers", 1},  {"num_attention_heads", 16},
                  {"num_key_value_heads", 4},     {"head_dim", 128},         {"max_position_embeddings", 4096},
                  {"tie_word_embeddings", false}, {"torch_dtype", "bfloat16"}};

void write_llama(const std::filesystem::path& folder) {
  write_text(folder / "config.json", kLlama.dump());
  SafetensorsWriter writer(folder);
  const std::string layer = "model.layers.0.";
  const auto matrix = [&](const std::string& name, std::int64_t rows, std::int64_t cols) { writer.declare(name, DType::bf16, {rows, cols}); };
  matrix("model.embed_tokens.weight", 512, 2048);
  matrix("lm_head.weight", 512, 2048);
  for (const std::string& name : {std::string("model.norm"), layer + "input_layernorm", layer + "post_attention_layernorm"}) {
    writer.declare(name + ".weight", DType::bf16, {2048});
  }
  matrix(layer + "self_attn.q_proj.weight", 2048, 2048);
  matrix(layer + "self_attn.k_proj.weight", 512, 2048);
  matrix(layer + "self_attn.v_proj.weight", 512, 2048);
  matrix(layer + "self_attn.o_proj.weight", 2048, 2048);
  matrix(layer + "mlp.gate_proj.weight", 12288, 2048);
  matrix(layer + "mlp.up_proj.weight", 12288, 2048);
  matrix(layer + "mlp.down_proj.weight", 2048, 12288);
  writer.write(std::vector<std::byte>(writer.total_bytes()));
  writer.finish();
}

// Told and found: bytes at the peak of a prompt of so many tokens and four more.
std::pair<double, double> peak(const TempDir& folder, const std::string& weights, int tokens, int threads) {
  folder.write("ids.json", json(std::vector<int>(std::size_t(tokens), 7)).dump());
  const Outcome told = run_command({"moe-inspect", {".", "--json", "--context", std::to_string(tokens + 4)}, "", {}, "", 0}, folder.path());
  // The checkpoint's hash, which a first run computes and later ones find, takes 1 MB a thread.
  const std::vector<std::pair<std::string, std::string>> variables = {{"XDG_CACHE_HOME", (folder / "cache").string()}};
  const std::vector<std::string> arguments = {"-m",           ".",      "--prompt-ids", "ids.json", "-n", "4",
                                              "--temp",       "0",      "--ignore-eos", "--json",   "-t", std::to_string(threads),
                                              "--weights",    weights,  "--packed-cache", "off"};
  run_command({"moe-run", arguments, "", variables, "", 0}, folder.path());
  const Outcome ran = run_command({"moe-run", arguments, "", variables, "", 0}, folder.path());
  EXPECT_EQ(told.code, 0) << told.err;
  EXPECT_EQ(ran.code, 0) << ran.err;
  return {json::parse(told.out)["memory"][0]["bytes"][weights].get<double>(), json::parse(ran.out)["memory"]["peak_rss_bytes"].get<double>()};
}

TEST(Memory, IsWhatMoeInspectSays) {
  if (kSanitised) GTEST_SKIP() << "sanitizers take memory of their own";
  const TempDir folder;
  write_llama(folder.path());
  // At the peak of loading a slab is there beside q4's weights; a long prompt needs more than that, in buffers.
  for (const char* weights : {"native", "q8", "q4", "q4h8"}) {
    for (const int tokens : {16, 600}) {
      for (const int threads : {1, 2}) {
        const auto [told, found] = peak(folder, weights, tokens, threads);
        EXPECT_NEAR(found / told, 1, 0.03) << weights << ", " << tokens << " tokens, " << threads << " threads: " << found << " of " << told;
      }
    }
  }
}

}  // namespace
}  // namespace moe::test
