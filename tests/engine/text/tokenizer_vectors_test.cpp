// The public vectors for several vocabularies, where the shared data is present.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/text/tokenizer.h"
#include "tests/support/paths.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

// gzread() passes plain files through.
std::string read_maybe_gzip(const fs::path& path) {
  std::string out;
  gzFile file = gzopen(path.c_str(), "rb");
  if (!file) return out;
  char buffer[1 << 16];
  for (int n; (n = gzread(file, buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
  gzclose(file);
  return out;
}

std::shared_ptr<const Tokenizer> load(const std::string& name) {
  const fs::path folder = test::shared_data() / "tokenizers" / name;
  for (const char* file : {"tokenizer.json", "tokenizer.json.gz"})
    if (fs::exists(folder / file))
      return Tokenizer::parse(read_maybe_gzip(folder / file), (folder / file).string());
  return nullptr;
}

struct Vectors {
  const char* file;
  const char* tokenizer;
};

class TokenizerVectors : public testing::TestWithParam<Vectors> {};

TEST_P(TokenizerVectors, Pass) {
  const fs::path base = test::shared_data() / "tokenizers" / "vectors" / GetParam().file;
  if (!fs::exists(base.string() + ".inp")) GTEST_SKIP() << "no shared data at " << test::shared_data();
  const auto tokenizer = load(GetParam().tokenizer);
  ASSERT_TRUE(tokenizer);
  const std::string input = read_maybe_gzip(base.string() + ".inp");
  std::istringstream expected(read_maybe_gzip(base.string() + ".out"));
  const std::string marker = "\n__ggml_vocab_test__\n";
  std::size_t tests = 0;
  for (std::size_t at = 0; at <= input.size(); ++tests) {
    const std::size_t end = std::min(input.find(marker, at), input.size());
    const std::string text = input.substr(at, end - at);
    std::string line;
    if (!std::getline(expected, line)) break;
    std::istringstream numbers(line);
    const std::vector<std::int32_t> ids{std::istream_iterator<std::int32_t>(numbers), {}};
    EXPECT_EQ(tokenizer->encode(text, false), ids) << testing::PrintToString(text);
    at = end + marker.size();
  }
  EXPECT_GE(tests, 40u);
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerVectors,
                         testing::Values(Vectors{"ggml-vocab-llama-bpe.gguf", "llama3.1"},
                                         Vectors{"ggml-vocab-qwen2.gguf", "qwen3"},
                                         Vectors{"ggml-vocab-llama-spm.gguf", "llama2"},
                                         Vectors{"ggml-vocab-gemma-4.gguf", "gemma4"}),
                         [](const auto& instance) {
                           std::string name = instance.param.tokenizer;
                           std::erase_if(name, [](char c) { return c == '.'; });
                           return name;
                         });

}  // namespace
}  // namespace moe
