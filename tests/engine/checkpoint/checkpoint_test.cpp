// Opening real model directories.
#include "engine/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/base/error.h"
#include "engine/checkpoint/config.h"

namespace moe {
namespace {

std::filesystem::path shared_data() {
  if (const char* set = std::getenv("MOE_SHARED_DATA"); set != nullptr) return set;
  return std::filesystem::path(MOE_TEST_SOURCE_DIR).parent_path().parent_path() / "shared" / "data";
}

TEST(Checkpoint, OpensARealModel) {
  const auto directory = shared_data() / "models" / "stories260K" / "hf";
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << "no model at " << directory;
  const Checkpoint checkpoint = Checkpoint::open(directory);
  const Config config = Config::open(directory / "config.json");
  const std::int64_t hidden = config.dimension("hidden_size");
  const std::int64_t vocabulary = config.dimension("vocab_size");
  const Tensor& embedding = checkpoint.require("model.embed_tokens.weight", {vocabulary, hidden});
  EXPECT_EQ(embedding.dtype, DType::f32);
  EXPECT_EQ(to_floats(embedding).size(), static_cast<std::size_t>(hidden * vocabulary));
  EXPECT_THROW(checkpoint.require("model.embed_tokens.weight", {vocabulary, hidden + 1}), Error);
  EXPECT_EQ(checkpoint.find("model.norm"), nullptr);
  EXPECT_EQ(checkpoint.names().size(), checkpoint.files().front().tensors().size());
}

}  // namespace
}  // namespace moe
