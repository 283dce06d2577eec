// Small tokenizers that use every component, against what the `tokenizers` library gave for them
// (tests/golden/make_tokenizer_cases.py).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/text/tokenizer.h"
#include "tests/support/paths.h"

namespace moe {
namespace {

using nlohmann::json;
using Ids = std::vector<std::int32_t>;

std::string stream(const std::shared_ptr<const Tokenizer>& tokenizer, const Ids& ids, bool skip_special) {
  StreamDecoder decoder(tokenizer, skip_special);
  std::string out;
  for (const std::int32_t id : ids) out += decoder.push(id);
  return out + decoder.finish();
}

TEST(TokenizerCases, EqualTheLibrary) {
  std::ifstream file(test::fixture("engine/text/data/tokenizer_cases.json"));
  ASSERT_TRUE(file) << "the fixture is missing";
  const json fixture = json::parse(file);
  std::size_t texts = 0;
  for (const json& test : fixture["cases"]) {
    const std::string name = test["name"];
    SCOPED_TRACE(name);
    json whole = test["parts"];
    whole["version"] = "1.0";
    whole["model"] = fixture["models"].at(test["model"].get<std::string>());
    std::shared_ptr<const Tokenizer> tokenizer;
    ASSERT_NO_THROW(tokenizer = Tokenizer::parse(whole.dump(), name, Tokenizer::Config::ignore));
    for (const json& row : test["rows"]) {
      const std::string text = row[0];
      SCOPED_TRACE(row[0].dump());
      const Ids ids = row[1], plain = row[2].is_null() ? ids : row[2].get<Ids>();
      const std::string decoded = row[3].is_null() ? text : row[3].get<std::string>();
      const std::string skipped = row[4].is_null() ? decoded : row[4].get<std::string>();
      EXPECT_EQ(tokenizer->encode(text), ids);
      EXPECT_EQ(tokenizer->encode(text, false), plain);
      EXPECT_EQ(tokenizer->decode(ids), decoded);
      EXPECT_EQ(tokenizer->decode(ids, true), skipped);
      EXPECT_EQ(stream(tokenizer, ids, false), decoded);
      EXPECT_EQ(stream(tokenizer, ids, true), skipped);
      ++texts;
    }
  }
  EXPECT_GE(texts, 3000u);
}

}  // namespace
}  // namespace moe
