// Our versions of lm_eval's filters and metric against what lm_eval itself made of the same responses.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "eval/grade/grade.h"
#include "tests/support/paths.h"

namespace moe::eval {
namespace {

// tests/golden/lm_eval_filters.py made the file.
TEST(LmEval, FiltersAndExactMatchAreItsOwn) {
  std::ifstream file(test::fixture("eval/extract/lm_eval_filters.json"));
  ASSERT_TRUE(file) << "lm_eval_filters.json is missing";
  const auto rows = nlohmann::json::parse(file);
  ASSERT_GE(rows.size(), 300U);
  std::size_t found = 0, right = 0;
  for (const auto& row : rows) {
    const std::string text = row[0], gold = row[1];
    std::size_t column = 2;
    for (const char* name : {"strict-match", "flexible-extract", "strict-match-cot"}) {
      const Scored scored = score(find_chain(name), Question{}, {text, text, false, false}, gold);
      const std::string value = scored.extraction.found() ? scored.extraction.value : "[invalid]";
      EXPECT_EQ(value, row[column].get<std::string>()) << name << " of " << row[0];
      EXPECT_EQ(scored.correct(), row[column + 1].get<bool>())
          << name << " of " << row[0] << " for " << row[1];
      found += scored.extraction.found() ? 1 : 0;
      right += scored.correct() == true ? 1 : 0;
      column += 2;
    }
  }
  EXPECT_GT(found, 300U);
  EXPECT_GE(right, 30U);
}

}  // namespace
}  // namespace moe::eval
