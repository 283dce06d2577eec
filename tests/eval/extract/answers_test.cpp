// The table of hand-checked answers: what each chain reads out of a response, and by which rule.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "eval/extract/extractor.h"
#include "tests/support/paths.h"

namespace moe::eval {
namespace {

// Rows of [kind, chain, response, value, rule]; an empty rule says that nothing is found.
TEST(Answers, EachChainReadsWhatAPersonWould) {
  std::ifstream file(test::fixture("eval/extract/answers.json"));
  ASSERT_TRUE(file) << "answers.json is missing";
  const auto rows = nlohmann::json::parse(file);
  EXPECT_GE(rows.size(), 300U);
  std::set<std::string> chains;
  for (const auto& row : rows) {
    Question question;
    question.kind = answer_kind_from_name(row[0].get<std::string>());
    const Chain& chain = find_chain(row[1].get<std::string>());
    chains.insert(std::string(chain.name));
    const std::string text = row[2];
    const Extraction found = extract(chain, question, split_response(text, false));
    EXPECT_EQ(found, (Extraction{row[3], row[4]})) << row[0] << " " << row[1] << " of\n"
                                                   << row[2] << "\ngave " << found.value << " by "
                                                   << found.rule << ", not " << row[3] << " by " << row[4];
  }
  EXPECT_EQ(chains.size(), extractor_chains().size()) << "a chain without a row";
}

TEST(Answers, LabelsThatAreDigitsAndOptionsThatAreNamed) {
  Question question;
  question.kind = AnswerKind::choice;
  question.labels = {"1", "2", "3", "4"};
  question.options = {"iron", "salt water", "3 apples", "gold"};
  const auto read = [&](const char* chain, std::string_view text) {
    return extract(find_chain(chain), question, split_response(text, false));
  };
  EXPECT_EQ(read("strict", "#### 3"), (Extraction{"3", "hash"}));
  EXPECT_EQ(read("strict", "(2)"), (Extraction{"2", "whole-reply"}));
  EXPECT_EQ(read("lenient", "Salt  water."), (Extraction{"2", "option-text"}));
  EXPECT_EQ(read("lenient", "3 apples"), (Extraction{"3", "option-text"}));
  EXPECT_EQ(read("lenient", "The answer is 4. gold"), (Extraction{"4", "answer-is"}));
  EXPECT_FALSE(read("lenient", "It takes 3.5 hours and 1,000 km").found());
  EXPECT_FALSE(read("strict", "#### 10").found());
  EXPECT_FALSE(read("strict", "B").found());
}

}  // namespace
}  // namespace moe::eval
