// Whole GGUF models of every architecture against what the fixture script expects of them.
#include "engine/convert/gguf_model.h"

#include <nlohmann/json.hpp>

#include "engine/base/mapped_file.h"
#include "engine/base/sha256.h"
#include "engine/text/tokenizer.h"
#include "tests/engine/convert/support.h"

namespace moe {
namespace {

using nlohmann::json;

class GgufModel : public ::testing::TestWithParam<const char*> {
 protected:
  static std::filesystem::path input() {
    return testing::data_folder() / (std::string(GetParam()) + ".gguf");
  }
  static json expected() {
    return json::parse(testing::read_text(testing::data_folder() / (std::string(GetParam()) + ".json")));
  }
};

TEST_P(GgufModel, ConfigurationSaysWhatTheFileSays) {
  const json config = json::parse(read_gguf_model(input()).files.at("config.json"));
  const json wanted = expected().at("config");
  ASSERT_FALSE(wanted.empty());
  for (const auto& [key, value] : wanted.items()) {
    EXPECT_EQ(config.value(key, json("absent")), value) << key;
  }
  EXPECT_EQ(config.at("torch_dtype"), "float32");
}

TEST_P(GgufModel, TensorsAreEqualToTheBit) {
  const ModelImage image = read_gguf_model(input());
  const json tensors = expected().at("tensors");
  EXPECT_EQ(image.tensors.size(), tensors.size());
  for (const ImageTensor& tensor : image.tensors) {
    ASSERT_TRUE(tensors.contains(tensor.name)) << tensor.name;
    const json& wanted = tensors.at(tensor.name);
    EXPECT_EQ(json(tensor.shape), wanted.at("shape")) << tensor.name;
    const std::vector<float> values = testing::all_values(tensor);
    EXPECT_EQ(sha256_hex(std::as_bytes(std::span(values))), wanted.at("sha256")) << tensor.name;
  }
}

TEST_P(GgufModel, RowsMayBeReadInAnyPieces) {
  for (const ImageTensor& tensor : read_gguf_model(input()).tensors) {
    const std::vector<float> whole = testing::all_values(tensor);
    std::vector<float> pieces(whole.size());
    const std::int64_t rows = tensor.rows();
    for (std::int64_t first = 0; first < rows; first += 3) {
      tensor.read(first, std::min<std::int64_t>(3, rows - first), pieces.data() + first * tensor.row_size());
    }
    EXPECT_EQ(std::memcmp(whole.data(), pieces.data(), whole.size() * sizeof(float)), 0) << tensor.name;
  }
}

TEST_P(GgufModel, TokenizerGivesTheExpectedIds) {
  const ModelImage image = read_gguf_model(input());
  const auto tokenizer = Tokenizer::parse(image.files.at("tokenizer.json"), "tokenizer.json");
  const json rows = expected().at("ids");
  ASSERT_FALSE(rows.empty());
  for (const json& row : rows) {
    const auto text = row.at("text").get<std::string>();
    EXPECT_EQ(json(tokenizer->encode(text)), row.at("ids")) << "'" << text << "'";
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, GgufModel,
                         ::testing::Values("llama_types", "llama_v2_biases", "mixtral", "qwen2", "qwen3",
                                           "qwen3moe", "gemma3"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(GgufModelFiles, TellTheSpecialTokensAndTheTemplate) {
  const ModelImage image = read_gguf_model(testing::data_folder() / "qwen3.gguf");
  const json config = json::parse(image.files.at("tokenizer_config.json"));
  EXPECT_EQ(config.at("bos_token"), "<|im_start|>");
  EXPECT_EQ(config.at("eos_token"), "<|im_end|>");
  EXPECT_EQ(config.at("pad_token"), "<|endoftext|>");
  EXPECT_EQ(config.at("add_bos_token"), false);
  EXPECT_EQ(config.at("chat_template"), "{{ messages[0]['content'] }}<|im_end|>");
  EXPECT_EQ(config.at("model_max_length"), 512);
  const json special = json::parse(image.files.at("special_tokens_map.json"));
  EXPECT_EQ(special.at("eos_token"), "<|im_end|>");
  const json generation = json::parse(image.files.at("generation_config.json"));
  EXPECT_EQ(generation.at("eos_token_id"), 2);
  const json tokenizer = json::parse(image.files.at("tokenizer.json"));
  ASSERT_EQ(tokenizer.at("added_tokens").size(), 5u);
  EXPECT_EQ(tokenizer.at("added_tokens")[0].at("special"), true);
  EXPECT_EQ(tokenizer.at("added_tokens")[3].at("content"), "<think>");
  EXPECT_EQ(tokenizer.at("added_tokens")[3].at("special"), false);
}

// Edits of a fixture's bytes: the key or name is found as text and what follows it is replaced.
std::string edited(const char* fixture, const std::string& find, const std::string& replace) {
  std::string text = testing::read_text(testing::data_folder() / fixture);
  const std::size_t at = text.find(find);
  EXPECT_NE(at, std::string::npos) << find;
  if (at != std::string::npos) text.replace(at, replace.size(), replace);
  return text;
}

std::string u32_key(const std::string& name, std::uint32_t value) {
  return testing::Bytes().raw(name).u32(4).u32(value).text();
}

TEST(GgufModelErrors, NameTheKeyOrTensor) {
  struct Row {
    const char* fixture;
    std::string find, replace;
    std::vector<std::string> parts;
    ErrorKind kind;
  };
  const auto config = ErrorKind::config;
  const auto format = ErrorKind::format;
  const auto unsupported = ErrorKind::unsupported;
  const std::vector<Row> table = {
      {"qwen3.gguf", "qwen3", "qwenX", {"general.architecture", "qwen3moe", "qwenX"}, unsupported},
      {"qwen3.gguf", "qwen3.block_count", "qwen3.block_cnt__", {"qwen3.block_count", "no such key"}, config},
      {"qwen3.gguf",
       "qwen3.block_count",
       u32_key("qwen3.block_count", 3),
       {"blk.2.attn_norm.weight", "no such tensor"},
       format},
      {"qwen3.gguf",
       "qwen3.block_count",
       u32_key("qwen3.block_count", 1),
       {"blk.1", "one that it has not"},
       unsupported},
      {"qwen3.gguf",
       "qwen3.block_count",
       u32_key("qwen3.block_count", 0),
       {"qwen3.block_count", "from 1"},
       config},
      {"qwen3.gguf",
       "qwen3.block_count",
       u32_key("qwen3.block_count", 4000000000u),
       {"qwen3.block_count"},
       config},
      {"qwen3.gguf",
       "qwen3.feed_forward_length",
       u32_key("qwen3.feed_forward_length", 65),
       {"ffn_gate", "shape [65, 32]", "shape [64, 32]"},
       format},
      {"qwen3.gguf",
       "qwen3.attention.head_count_kv",
       u32_key("qwen3.attention.head_count_kv", 3),
       {"head_count_kv", "a divisor of 4"},
       config},
      {"qwen3.gguf",
       "qwen3.attention.value_length",
       u32_key("qwen3.attention.value_length", 8),
       {"value_length"},
       unsupported},
      {"qwen3.gguf",
       "qwen3.attention.layer_norm_rms_epsilon",
       "qwen3.attention.layer_norm_rms_epsilxx",
       {"layer_norm_rms_epsilon", "no such key"},
       config},
      {"qwen3.gguf",
       "blk.1.attn_q_norm",
       "blk.1.attn_x_norm",
       {"blk.1.attn_q_norm.weight", "no such tensor"},
       format},
      {"qwen3.gguf",
       "tokenizer.ggml.model",
       "tokenizer.ggml.moxel",
       {"tokenizer.ggml.model", "no such key"},
       config},
      {"qwen3.gguf",
       "tokenizer.ggml.tokens",
       "tokenizer.ggml.tokenz",
       {"tokenizer.ggml.tokens", "no such key"},
       config},
      {"qwen3.gguf", "tokenizer.ggml.merges", "tokenizer.ggml.mergez", {"merges", "none"}, format},
      {"qwen3.gguf",
       u32_key("tokenizer.ggml.eos_token_id", 2),
       u32_key("tokenizer.ggml.eos_token_id", 9999),
       {"EOS token", "9999"},
       format},
      {"llama_v2_biases.gguf", "smollm", "smxllm", {"pre-tokenizer", "smollm", "smxllm"}, unsupported},
      {"mixtral.gguf",
       u32_key("llama.expert_used_count", 2),
       u32_key("llama.expert_used_count", 4),
       {"expert_used_count", "at most 3"},
       config},
      {"gemma3.gguf",
       "gemma3.attention.sliding_window",
       "gemma3.attention.sliding_windox",
       {"sliding_window", "no such key"},
       config},
  };
  for (const Row& row : table) {
    SCOPED_TRACE(row.fixture + (": " + row.parts[0]));
    const testing::TempDir folder;
    testing::write_text(folder / "bad.gguf", edited(row.fixture, row.find, row.replace));
    std::vector<std::string> parts = row.parts;
    parts.insert(parts.begin(), "bad.gguf");
    testing::expect_error(row.kind, parts, [&] { read_gguf_model(folder / "bad.gguf"); });
  }
}

}  // namespace
}  // namespace moe
