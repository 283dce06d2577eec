// How a checkpoint stores its numbers, as config.json says it, in a multimodal file too.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "models/registry.h"
#include "tests/support/temp_dir.h"

namespace moe::test {
namespace {

using nlohmann::json;

StoredTypes stored(json config) {
  const TempDir folder;
  folder.write("config.json", config.dump());
  return models::describe(folder.path()).stored;
}

const json kText{{"hidden_size", 64},     {"num_hidden_layers", 2},   {"intermediate_size", 96}, {"vocab_size", 300},
                 {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"head_dim", 16},          {"max_position_embeddings", 64}};

json with(json config, const json& change) {
  config.merge_patch(change);
  return config;
}

TEST(StoredTypes, AreThoseOfEitherKey) {
  const json llama = with(kText, {{"model_type", "llama"}});
  EXPECT_EQ(stored(llama).type, DType::bf16);
  EXPECT_EQ(stored(with(llama, {{"torch_dtype", "bfloat16"}})).type, DType::bf16);
  EXPECT_EQ(stored(with(llama, {{"torch_dtype", "float16"}})).type, DType::f16);
  EXPECT_EQ(stored(with(llama, {{"dtype", "float32"}})).type, DType::f32);
  EXPECT_EQ(stored(with(llama, {{"dtype", "float32"}})).bits(), 32);
  EXPECT_EQ(stored(with(llama, {{"dtype", "float16"}})).bits(), 16);
}

TEST(StoredTypes, AreFoundInATextConfig) {
  const json gemma{{"model_type", "gemma3"}, {"text_config", with(kText, {{"model_type", "gemma3_text"}})}};
  EXPECT_EQ(stored(gemma).type, DType::bf16);
  EXPECT_EQ(stored(with(gemma, {{"text_config", {{"dtype", "float32"}}}})).type, DType::f32);
  EXPECT_EQ(stored(with(gemma, {{"text_config", {{"torch_dtype", "float16"}}}})).type, DType::f16);
  // The whole file's comes first.
  EXPECT_EQ(stored(with(gemma, {{"dtype", "bfloat16"}, {"text_config", {{"dtype", "float32"}}}})).type, DType::bf16);
}

}  // namespace
}  // namespace moe::test
