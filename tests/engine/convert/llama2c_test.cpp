// llama2.c checkpoints: all three layouts, the tokenizer, what is refused, and the published example models.
#include "engine/convert/llama2c.h"

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "engine/checkpoint/checkpoint.h"
#include "engine/text/tokenizer.h"
#include "tests/engine/convert/support.h"
#include "tests/support/paths.h"

namespace moe {
namespace {

using testing::Bytes;

// Two layers of hidden size 8, intermediate 12, 2 heads, 1 key head, 6 tokens, context 5.
struct Sample {
  std::int32_t hidden = 8, intermediate = 12, layers = 2, heads = 2, kv_heads = 1, vocabulary = 6,
               context = 5;
  bool tied = true;

  Bytes& header(Bytes& out, std::int32_t words) const {
    for (const std::int32_t n : {hidden, intermediate, layers, heads, kv_heads, words, context})
      out.number(n);
    return out;
  }
  std::string legacy(int missing = 0) const {
    Bytes out;
    header(out, tied ? vocabulary : -vocabulary);
    const int count = 6 * 8 + 2 * (8 + 64 + 32 + 32 + 64 + 8 + 96 + 96 + 96) + 8 + 5 * 4 + (tied ? 0 : 48);
    for (int i = 0; i < count - missing; ++i) out.f32(static_cast<float>(i));
    return out.text();
  }
  std::string version1() const {
    Bytes out;
    out.u32(0x616b3432).u32(1);
    header(out, vocabulary).number<std::uint8_t>(tied ? 1 : 0);
    out.zeros(256 - out.text().size());
    const int count = 2 * 8 + 2 * 8 + 8 + 6 * 8 + 2 * (64 + 32 + 32 + 64 + 96 + 96 + 96) + (tied ? 0 : 48);
    for (int i = 0; i < count; ++i) out.f32(static_cast<float>(i));
    return out.text();
  }
  // Quantised in groups of 4: value (index % 100) times scale (1 + number of the group).
  std::string version2() const {
    Bytes out;
    out.u32(0x616b3432).u32(2);
    header(out, vocabulary).number<std::uint8_t>(tied ? 1 : 0).number<std::int32_t>(4);
    out.zeros(256 - out.text().size());
    for (int i = 0; i < 40; ++i) out.f32(static_cast<float>(i));
    for (const int size : {48, 64, 64, 32, 32, 32, 32, 64, 64, 96, 96, 96, 96, 96, 96}) {
      for (int i = 0; i < size; ++i) out.number<std::int8_t>(static_cast<std::int8_t>(i % 100 - 50));
      for (int i = 0; i < size / 4; ++i) out.f32(static_cast<float>(1 + i));
    }
    return out.text();
  }
};

std::map<std::string, std::vector<float>> tensors_of(const std::string& text) {
  const Llama2cHeader header = read_llama2c_header(testing::as_bytes(text), "m.bin");
  std::map<std::string, std::vector<float>> out;
  for (const ImageTensor& tensor : llama2c_tensors(testing::as_bytes(text), header)) {
    out[tensor.name] = testing::all_values(tensor);
  }
  return out;
}

TEST(Llama2c, LegacyLayout) {
  const auto tensors = tensors_of(Sample().legacy());
  EXPECT_EQ(tensors.size(), 1u + 2 * 9 + 1);
  EXPECT_EQ(tensors.at("model.embed_tokens.weight")[47], 47.0f);
  EXPECT_EQ(tensors.at("model.layers.1.input_layernorm.weight")[0], 56.0f);
  // Head rows 0, 1, 2, 3 of the output are rows 0, 2, 1, 3 of the file: the halves of the pairs.
  const std::vector<float>& query = tensors.at("model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(query[0], 64.0f);
  EXPECT_EQ(query[8], 64.0f + 16);
  EXPECT_EQ(query[16], 64.0f + 8);
  EXPECT_EQ(query[24], 64.0f + 24);
  EXPECT_EQ(query[32], 64.0f + 32);
  EXPECT_EQ(tensors.at("model.layers.1.self_attn.q_proj.weight")[0], 128.0f);
  EXPECT_EQ(tensors.at("model.layers.0.self_attn.v_proj.weight")[8], 64.0f + 128 + 64 + 8);
  EXPECT_EQ(tensors.count("lm_head.weight"), 0u);
}

TEST(Llama2c, AnUntiedClassifierFollowsTheRotationTables) {
  Sample sample;
  sample.tied = false;
  const auto tensors = tensors_of(sample.legacy());
  const float norm = tensors.at("model.norm.weight")[7];
  EXPECT_EQ(tensors.at("lm_head.weight")[0], norm + 1 + 20);
  EXPECT_EQ(tensors.at("lm_head.weight").size(), 48u);
}

TEST(Llama2c, VersionOneHasItsNormsFirst) {
  Sample sample;
  sample.tied = false;
  const auto tensors = tensors_of(sample.version1());
  EXPECT_EQ(tensors.at("model.layers.1.input_layernorm.weight")[0], 8.0f);
  EXPECT_EQ(tensors.at("model.layers.0.post_attention_layernorm.weight")[0], 16.0f);
  EXPECT_EQ(tensors.at("model.norm.weight")[0], 32.0f);
  EXPECT_EQ(tensors.at("model.embed_tokens.weight")[0], 40.0f);
  EXPECT_EQ(tensors.at("model.layers.0.self_attn.q_proj.weight")[8], 88.0f + 16);
  EXPECT_EQ(tensors.count("lm_head.weight"), 1u);
}

TEST(Llama2c, VersionTwoMultipliesByTheGroupsScale) {
  const auto tensors = tensors_of(Sample().version2());
  const std::vector<float>& embedding = tensors.at("model.embed_tokens.weight");
  for (int i = 0; i < 48; ++i)
    EXPECT_EQ(embedding[static_cast<std::size_t>(i)], static_cast<float>((i % 100 - 50) * (1 + i / 4)));
  // Row 1 of the query comes from row 2 of the file.
  EXPECT_EQ(tensors.at("model.layers.0.self_attn.q_proj.weight")[8], static_cast<float>((16 - 50) * 5));
  EXPECT_EQ(tensors.at("model.norm.weight")[0], 32.0f);
}

TEST(Llama2c, RefusesBrokenCheckpoints) {
  struct Row {
    const char* what;
    std::string text;
    std::vector<std::string> parts;
    ErrorKind kind = ErrorKind::format;
  };
  const auto changed = [](std::function<void(Sample&)> change) {
    Sample sample;
    change(sample);
    Bytes out;
    sample.header(out, sample.vocabulary);
    return out.zeros(4000).text();
  };
  const auto magic = [](std::uint32_t version, std::uint8_t shared, std::int32_t group) {
    Bytes out;
    out.u32(0x616b3432).u32(version);
    Sample().header(out, 6).number(shared).number(group);
    return out.zeros(256 - out.text().size()).text();
  };
  const std::vector<Row> table = {
      {"empty", "", {"header", "at least 28"}},
      {"short header", std::string(27, 'x'), {"header", "27"}},
      {"text", std::string(400, 'x'), {"hidden size", "llama2.c"}},
      {"short new header", Bytes().u32(0x616b3432).u32(1).zeros(100).text(), {"256 bytes"}},
      {"version", magic(3, 1, 0), {"version", "3"}, ErrorKind::unsupported},
      {"shared flag", magic(1, 7, 0), {"shared classifier", "7"}},
      {"group zero", magic(2, 1, 0), {"group size", "0"}},
      {"group odd", magic(2, 1, 3), {"group size", "3"}},
      {"no layers", changed([](Sample& s) { s.layers = 0; }), {"number of layers", "0"}},
      {"many layers", changed([](Sample& s) { s.layers = 100000; }), {"number of layers"}},
      {"negative hidden", changed([](Sample& s) { s.hidden = -8; }), {"hidden size", "-8"}},
      {"huge", changed([](Sample& s) { s.hidden = s.intermediate = 1 << 24; }), {"weights"}},
      {"heads", changed([](Sample& s) { s.heads = 3; }), {"number of heads", "3"}},
      {"odd heads", changed([](Sample& s) { s.heads = 8; }), {"number of heads", "even"}},
      {"kv heads",
       changed([](Sample& s) {
         s.heads = 4;
         s.kv_heads = 3;
       }),
       {"key and value heads", "divisor of 4"}},
      {"size", changed([](Sample& s) { s.context = 6; }), {"file size"}},
      {"one float short", Sample().legacy(1), {"file size"}},
      {"one byte long", Sample().legacy() + "x", {"file size"}},
  };
  for (const Row& row : table) {
    SCOPED_TRACE(row.what);
    std::vector<std::string> parts = row.parts;
    parts.insert(parts.begin(), "m.bin");
    testing::expect_error(row.kind, parts,
                          [&] { read_llama2c_header(testing::as_bytes(row.text), "m.bin"); });
  }
}

std::string tokenizer_text(const std::vector<std::string>& tokens) {
  Bytes out;
  out.u32(7);
  float score = 0;
  for (const std::string& token : tokens) out.f32(score -= 1).u32(token.size()).raw(token);
  return out.text();
}

TEST(Llama2cTokenizer, UndoesTheExportersSpelling) {
  const std::string text = tokenizer_text({"<unk>", "\n<s>\n", "\n</s>\n", "<0x41>", " t", "<0xZZ>"});
  const Vocabulary vocabulary = read_llama2c_tokenizer(testing::as_bytes(text), "t.bin", 6);
  EXPECT_EQ(vocabulary.tokens,
            (std::vector<std::string>{"<unk>", "<s>", "</s>", "<0x41>", "\u2581t", "<0xZZ>"}));
  EXPECT_EQ(vocabulary.kinds[1], TokenKind::control);
  EXPECT_EQ(vocabulary.kinds[3], TokenKind::byte);
  EXPECT_EQ(vocabulary.kinds[5], TokenKind::normal);
  EXPECT_EQ(vocabulary.scores[4], -5.0f);
}

TEST(Llama2cTokenizer, RefusesBrokenFiles) {
  const std::string good = tokenizer_text({"<unk>", "<s>", "</s>", "a"});
  const auto read = [](const std::string& text, std::int64_t count) {
    return [text, count] { read_llama2c_tokenizer(testing::as_bytes(text), "t.bin", count); };
  };
  const auto format = ErrorKind::format;
  EXPECT_NO_THROW(read(good, 4)());
  testing::expect_error(format, {"t.bin", "5 tokens"}, read(good, 5));
  testing::expect_error(format, {"t.bin", "more bytes"}, read(good, 3));
  testing::expect_error(format, {"t.bin"}, read(good, 1 << 24));
  testing::expect_error(format, {"t.bin"}, read("", 4));
  testing::expect_error(format, {"t.bin", "<unk>, <s> and </s>"}, read(tokenizer_text({"a", "b"}), 2));
  testing::expect_error(format, {"token 0", "a length"},
                        read(Bytes().u32(7).f32(0).u32(0xffffffff).zeros(99).text(), 1));
  testing::expect_error(format, {"token 0", "the end of the file"},
                        read(Bytes().u32(7).f32(0).u32(60).zeros(9).text(), 1));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_THROW(read(good.substr(0, size), 4)(), Error) << size;
}

TEST(Llama2cModel, FindsTheTokenizerBesideIt) {
  const testing::TempDir folder;
  testing::write_text(folder / "m.bin", Sample().legacy());
  const auto config = ErrorKind::config;
  testing::expect_error(config, {"m.bin", "--tokenizer", "none"},
                        [&] { read_llama2c_model(folder / "m.bin", {}); });
  testing::write_text(folder / "other.bin", "not a tokenizer");
  testing::write_text(folder / "t.bin", tokenizer_text({"<unk>", "<s>", "</s>", "a", "b", "c"}));
  const ModelImage image = read_llama2c_model(folder / "m.bin", {});
  const auto written = nlohmann::json::parse(image.files.at("config.json"));
  EXPECT_EQ(written.at("tie_word_embeddings"), true);
  EXPECT_EQ(written.at("head_dim"), 4);
  EXPECT_EQ(nlohmann::json::parse(image.files.at("generation_config.json")).at("eos_token_id"),
            (nlohmann::json{2, 1}));
  testing::write_text(folder / "t2.bin", tokenizer_text({"<unk>", "<s>", "</s>", "a", "b", "d"}));
  testing::expect_error(config, {"m.bin", "2 of them"}, [&] { read_llama2c_model(folder / "m.bin", {}); });
  EXPECT_NO_THROW(read_llama2c_model(folder / "m.bin", folder / "t2.bin"));
}

TEST(Llama2cModel, Stories260KEqualsItsPublishedConversion) {
  const std::filesystem::path folder = test::shared_data() / "models" / "stories260K";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no stories260K in MOE_SHARED_DATA or ../shared/data";
  const ModelImage image = read_llama2c_model(folder / "stories260K.bin", {});
  const Checkpoint published = Checkpoint::open(folder / "hf");
  EXPECT_EQ(published.names().size(), image.tensors.size());
  for (const ImageTensor& tensor : image.tensors) {
    const Tensor& wanted = published.require(tensor.name, tensor.shape);
    EXPECT_EQ(to_floats(wanted), testing::all_values(tensor)) << tensor.name;
  }
  const auto ours = Tokenizer::parse(image.files.at("tokenizer.json"), "ours", Tokenizer::Config::ignore);
  const auto theirs = Tokenizer::load(folder / "hf" / "tokenizer.json", Tokenizer::Config::ignore);
  const std::string story =
      testing::read_text(folder / "stories260K.md") + testing::read_text(folder / "expected_greedy_200.txt");
  for (std::size_t at = 0; at < story.size(); at += 37) {
    const std::string part = story.substr(at, 120);
    EXPECT_EQ(ours->encode(part), theirs->encode(part)) << part;
  }
}

TEST(Llama2cModel, BabyllamaHasNoByteTokens) {
  const std::filesystem::path folder = test::shared_data() / "models" / "babyllama-tok105";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "no babyllama-tok105 in MOE_SHARED_DATA or ../shared/data";
  const ModelImage image = read_llama2c_model(folder / "model5000.bin", {});
  const auto tokenizer = nlohmann::json::parse(image.files.at("tokenizer.json"));
  EXPECT_EQ(tokenizer.at("model").at("byte_fallback"), false);
  EXPECT_EQ(tokenizer.at("model").at("vocab").size(), 105u);
  const auto ours = Tokenizer::parse(image.files.at("tokenizer.json"), "ours", Tokenizer::Config::ignore);
  EXPECT_EQ(ours->encode("ea t"), (std::vector<std::int32_t>{1, 3, 4, 5, 3, 6}));
  EXPECT_EQ(ours->encode("e\u65e5a"), (std::vector<std::int32_t>{1, 3, 4, 0, 5}));
}

}  // namespace
}  // namespace moe
