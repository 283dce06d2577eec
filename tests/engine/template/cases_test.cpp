// Small templates of our own wording, each with what transformers' environment makes of it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/engine/template/support.h"

namespace moe {
namespace {

using json = nlohmann::ordered_json;

// Where jinja2 raises, we raise the same words, except where Python tells of its own generated code or
// functions.
bool same_message(const std::string& source, const std::string& wanted, const std::string& found) {
  static const std::set<std::string> kOtherWords = {
      "{{ raise_exception() }}", "{{ dict(**5) }}", "{{ a[1:2, 3] }}", "{% break %}",
      "{% for x in list %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}"};
  const std::size_t colon = wanted.find(": ");
  return kOtherWords.contains(source) || wanted.substr(colon + 2) == found;
}

TEST(Cases, RenderAsTransformersDoes) {
  const json golden = json::parse(test::read_text(test::template_folder() / "goldens" / "cases.json"));
  const std::string context = golden.at("context").get<std::string>();
  std::size_t checked = 0;
  for (const json& item : golden.at("cases")) {
    const auto source = item.at("template").get<std::string>();
    ++checked;
    try {
      const std::string found = test::render(source, context);
      if (item.contains("error")) {
        ADD_FAILURE() << source << "\nmust raise " << item.at("error") << "\nbut gives " << found;
      } else {
        EXPECT_EQ(found, item.at("text").get<std::string>()) << source;
      }
    } catch (const TemplateError& error) {
      if (!item.contains("error")) {
        ADD_FAILURE() << source << "\nmust give " << item.at("text") << "\nbut raises " << error.what();
      } else if (!same_message(source, item.at("error").get<std::string>(), error.message())) {
        ADD_FAILURE() << source << "\nmust raise " << item.at("error") << "\nbut raises " << error.message();
      }
    }
  }
  EXPECT_GE(checked, 800U);
}

}  // namespace
}  // namespace moe
