// Vocabularies that cannot be: each fault is named. Merges from scores.
#include "engine/convert/vocabulary.h"

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/engine/convert/support.h"

namespace moe {
namespace {

Vocabulary small() {
  Vocabulary out;
  out.source = "v.gguf";
  out.tokens = {"<s>", "a", "b", "ab", "abb"};
  out.kinds = {TokenKind::control, TokenKind::normal, TokenKind::normal, TokenKind::normal,
               TokenKind::normal};
  out.merges = {{"a b", "ab b"}};
  out.pre_tokenizer = "gpt-2";
  out.bos = 0;
  return out;
}

TEST(Vocabulary, RefusesWhatCannotBe) {
  struct Row {
    std::function<void(Vocabulary&)> change;
    std::vector<std::string> parts;
    ErrorKind kind = ErrorKind::format;
  };
  const std::vector<Row> table = {
      {[](Vocabulary& v) {
         v.tokens.clear();
         v.kinds.clear();
       },
       {"at least one token"}},
      {[](Vocabulary& v) { v.kinds.pop_back(); }, {"token types", "5", "4"}},
      {[](Vocabulary& v) { v.tokens[4] = std::string("a"); }, {"token 4", "as token 1"}},
      {[](Vocabulary& v) { v.tokens[4] = std::string("\xff"); }, {"token 4", "UTF-8"}},
      {[](Vocabulary& v) { v.tokens[4] = std::string("\xed\xa0\x80"); }, {"token 4", "UTF-8"}},
      {[](Vocabulary& v) { v.tokens[4] = std::string("\xc0\x80"); }, {"token 4", "UTF-8"}},
      {[](Vocabulary& v) { v.tokens[4] = std::string("\xf4\x90\x80\x80"); }, {"token 4", "UTF-8"}},
      {[](Vocabulary& v) { v.tokens[4] = std::string("x\xe2\x82"); }, {"token 4", "UTF-8"}},
      {[](Vocabulary& v) { v.merges.reset(); }, {"merges", "none"}},
      {[](Vocabulary& v) { v.merges = {{"ab"}}; }, {"merge 0", "'ab'"}},
      {[](Vocabulary& v) { v.merges = {{"a "}}; }, {"merge 0"}},
      {[](Vocabulary& v) { v.merges = {{"a c"}}; }, {"merge 0", "'c'"}},
      {[](Vocabulary& v) { v.merges = {{"b a"}}; }, {"merge 0", "'ba'"}},
      {[](Vocabulary& v) { v.bos = 5; }, {"BOS", "below 5"}},
      {[](Vocabulary& v) { v.eos = -1; }, {"EOS", "-1"}},
      {[](Vocabulary& v) { v.pad = 1000; }, {"padding"}},
      {[](Vocabulary& v) { v.more_eos = {7}; }, {"end-of-turn", "7"}},
      {[](Vocabulary& v) { v.chat_template = std::string("\xff"); }, {"chat template", "UTF-8"}},
      {[](Vocabulary& v) { v.pre_tokenizer = std::string("nobody-knows"); },
       {"tokenizer.ggml.pre", "llama-bpe", "nobody-knows"},
       ErrorKind::unsupported},
      {[](Vocabulary& v) {
         v.family = VocabularyFamily::sentencepiece;
         v.merges.reset();
       },
       {"token scores", "5", "0"}},
      {[](Vocabulary& v) {
         v.family = VocabularyFamily::sentencepiece;
         v.merges.reset();
         v.scores.assign(5, std::numeric_limits<float>::quiet_NaN());
       },
       {"score of token 0", "NaN"}},
  };
  EXPECT_NO_THROW(tokenizer_files(small()));
  for (const Row& row : table) {
    SCOPED_TRACE(row.parts[0]);
    Vocabulary vocabulary = small();
    row.change(vocabulary);
    std::vector<std::string> parts = row.parts;
    parts.insert(parts.begin(), "v.gguf");
    testing::expect_error(row.kind, parts, [&] { tokenizer_files(vocabulary); });
  }
}

TEST(Vocabulary, BosAndEosStandAroundTheTextWhenAsked) {
  Vocabulary vocabulary = small();
  vocabulary.eos = 0;
  using nlohmann::json;
  EXPECT_TRUE(json::parse(tokenizer_files(vocabulary).at("tokenizer.json")).at("post_processor").is_null());
  vocabulary.add_bos = vocabulary.add_eos = true;
  const json processor = json::parse(tokenizer_files(vocabulary).at("tokenizer.json")).at("post_processor");
  EXPECT_EQ(processor.at("type"), "TemplateProcessing");
  EXPECT_EQ(processor.at("single").size(), 3u);
  EXPECT_EQ(processor.at("pair").size(), 6u);
  EXPECT_EQ(processor.at("special_tokens").at("<s>").at("ids"), json::array({0}));
}

TEST(ImpliedMerges, BestTokensFirstThenTheLongestLeftPart) {
  const std::vector<std::string> tokens = {"<s>", "a", "b", "ab", "ba", "aba", "\u00e9", "\u00e9a", "<a"};
  std::vector<TokenKind> kinds(tokens.size(), TokenKind::normal);
  kinds[0] = TokenKind::control;
  const std::vector<float> scores = {0, -9, -9, -2, -1, -3, -9, -2, -1};
  using Merge = std::pair<std::string, std::string>;
  const std::vector<Merge> expected = {{"b", "a"}, {"a", "b"}, {"\u00e9", "a"}, {"ab", "a"}, {"a", "ba"}};
  EXPECT_EQ(implied_merges(tokens, kinds, scores), expected);
}

TEST(ImpliedMerges, AVeryLongTokenCostsNothing) {
  std::vector<std::string> tokens = {"a", std::string(1 << 20, 'a')};
  EXPECT_TRUE(implied_merges(tokens, {TokenKind::normal, TokenKind::normal}, {0, 0}).empty());
}

}  // namespace
}  // namespace moe
