// Published chat templates over the golden conversations: every result is transformers', character for
// character.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/sha256.h"
#include "engine/text/template/chat_template.h"
#include "tests/engine/template/support.h"

namespace moe {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

json read_golden(const char* name) {
  return json::parse(test::read_text(test::template_folder() / "goldens" / name));
}

// The template's text, or nothing where the data is absent. SmolLM2's lies where MOE_SMOLLM2 says.
std::optional<std::string> source_of(const std::string& name) {
  const std::string top = name.substr(0, name.find('/'));
  fs::path path = test::shared_data() / name;
  if (top == "smollm2") {
    const char* folder = std::getenv("MOE_SMOLLM2");
    if (!folder) return std::nullopt;
    path = fs::path(folder) / name.substr(top.size() + 1);
  }
  if (!fs::exists(path)) return std::nullopt;
  if (path.extension() == ".jinja") return test::read_text(path);
  return json::parse(test::read_gzip(path)).at("chat_template").get<std::string>();
}

class RealTemplates : public testing::TestWithParam<std::size_t> {};

TEST_P(RealTemplates, RenderAsTransformersDoes) {
  static const json conversations = read_golden("conversations.json");
  static const json goldens = read_golden("rendered.json");
  const json& golden = goldens.at(GetParam());
  const auto name = golden.at("name").get<std::string>();
  const auto source = source_of(name);
  if (!source) GTEST_SKIP() << name << " is not here (set MOE_SHARED_DATA or MOE_SMOLLM2)";
  if (sha256_hex(*source) != golden.at("sha256"))
    GTEST_SKIP() << name << " is another version than the golden's";

  std::vector<std::pair<std::string, std::string>> tokens;
  for (const auto& [key, value] : golden.at("special_tokens").items()) tokens.emplace_back(key, value);
  const ChatTemplate chat = ChatTemplate::from_source(*source, name, tokens);
  const json& results = golden.at("results");
  ASSERT_EQ(results.size(), conversations.size());
  ASSERT_GE(results.size(), 200U);
  int differences = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    json given = conversations[i];
    RenderOptions options;
    options.clock = test::fixed_date;
    if (given.contains("kwargs")) {
      options.kwargs_json = given["kwargs"].dump();
      given.erase("kwargs");
    }
    const auto wanted = results[i].get<std::string>();
    std::string found;
    std::string shown;
    try {
      shown = chat.render(Conversation::parse(given.dump(), "conversation"), options);
      found = sha256_hex(shown).substr(0, wanted.size());
    } catch (const TemplateError& error) {
      shown = error.what();
      found = "!" + error.message();
    }
    if (found == wanted) continue;
    if (++differences <= 3) {
      ADD_FAILURE() << name << ", conversation " << i << ": " << conversations[i].dump() << "\nwanted "
                    << wanted << "\nfound  " << found << "\n"
                    << shown;
    }
  }
  EXPECT_EQ(differences, 0);
}

INSTANTIATE_TEST_SUITE_P(Goldens, RealTemplates, testing::Range<std::size_t>(0, 20));

TEST(RealTemplatesFile, EveryGoldenHasATest) { EXPECT_EQ(read_golden("rendered.json").size(), 20U); }

}  // namespace
}  // namespace moe
