// Rows of the embedding are copied out of the file, not read through its mapping: however many a run looks up, little of
// it is mapped.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "engine/checkpoint/identity.h"
#include "engine/checkpoint/safetensors_writer.h"
#include "engine/runtime/executor.h"
#include "models/registry.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

constexpr std::int32_t kVocab = 65536, kHidden = 512;

// A tied Llama of one layer, all zeros, whose table takes 64 MB.
std::filesystem::path write_model(const test::TempDir& folder) {
  folder.write("config.json", R"({"model_type": "llama", "vocab_size": 65536, "hidden_size": 512,
    "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 8,
    "tie_word_embeddings": true, "max_position_embeddings": 8192, "torch_dtype": "bfloat16"})");
  SafetensorsWriter writer(folder.path());
  const std::string layer = "model.layers.0.";
  writer.declare("model.embed_tokens.weight", DType::bf16, {kVocab, kHidden});
  writer.declare("model.norm.weight", DType::bf16, {kHidden});
  // Nobody's: nothing that is read and given back lies near the norm.
  writer.declare("unused", DType::bf16, {8 << 20});
  writer.declare(layer + "input_layernorm.weight", DType::bf16, {kHidden});
  writer.declare(layer + "post_attention_layernorm.weight", DType::bf16, {kHidden});
  writer.declare(layer + "self_attn.q_proj.weight", DType::bf16, {32, kHidden});
  writer.declare(layer + "self_attn.k_proj.weight", DType::bf16, {8, kHidden});
  writer.declare(layer + "self_attn.v_proj.weight", DType::bf16, {8, kHidden});
  writer.declare(layer + "self_attn.o_proj.weight", DType::bf16, {kHidden, 32});
  writer.declare(layer + "mlp.gate_proj.weight", DType::bf16, {32, kHidden});
  writer.declare(layer + "mlp.up_proj.weight", DType::bf16, {32, kHidden});
  writer.declare(layer + "mlp.down_proj.weight", DType::bf16, {kHidden, 32});
  writer.write(std::vector<std::byte>(writer.total_bytes()));
  writer.finish();
  return folder.path();
}

// Bytes of a mapped file that count as this process's memory; the file must be mapped.
std::int64_t mapped_resident_bytes(const std::filesystem::path& file) {
  std::ifstream maps("/proc/self/smaps");
  std::int64_t bytes = 0;
  bool inside = false, found = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) found |= inside = line.ends_with(file.string());
    if (inside && line.starts_with("Rss:")) bytes += 1024 * std::stoll(line.substr(4));
  }
  EXPECT_TRUE(found) << "nothing is known of the mapping";
  return bytes;
}

// A file that was just written lies in the page cache in large pages, of which a touch maps the whole.
TEST(Loading, LeavesNothingMapped) {
  const test::TempDir folder;
  const auto model = models::load_model(write_model(folder), {});
  EXPECT_EQ(mapped_resident_bytes(folder / "model.safetensors"), 0);
  checkpoint_stamp(model->checkpoint());
  EXPECT_EQ(mapped_resident_bytes(folder / "model.safetensors"), 0);
}

TEST(LookUps, LeaveNothingOfTheTableMapped) {
  const test::TempDir folder;
  const auto model = models::load_model(write_model(folder), {});
  kernels::ThreadTeam team(2);
  Executor executor(model, team);
  Sequence sequence = executor.new_sequence();
  std::vector<std::int32_t> tokens;
  for (std::int32_t i = 0; i < 2048; ++i) tokens.push_back(i * 31 % 2048 * (kVocab / 2048));
  std::int64_t most = 0;
  for (std::size_t at = 0; at < tokens.size(); at += 512) {
    const Feed feed{&sequence, {tokens.data() + at, 512}, LogitsWanted::last};
    executor.forward({&feed, 1});
    most = std::max(most, mapped_resident_bytes(folder / "model.safetensors"));
  }
  EXPECT_EQ(most, 0);
}

}  // namespace
}  // namespace moe
