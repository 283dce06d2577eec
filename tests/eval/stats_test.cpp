// Statistics, pattern matching against values computed elsewhere (scipy, Python's re).
#include "eval/stats/proportion.h"

#include <cmath>

#include "eval/run/runner.h"
#include "eval/util/pattern.h"
#include "tests/eval/fixtures.h"

namespace moe::eval {
namespace {

using ::testing::ElementsAre;

TEST(Wilson, EqualsScipy) {
  // As scipy.stats.binomtest(k, n).proportion_ci(method="wilson").
  EXPECT_NEAR(wilson(31, 100).low, 0.22779697212376, 1e-12);
  EXPECT_NEAR(wilson(31, 100).high, 0.40626055719489, 1e-12);
  EXPECT_NEAR(wilson(1, 3).low, 0.06149194472040, 1e-12);
  EXPECT_NEAR(wilson(1, 3).high, 0.79234039919780, 1e-12);
  EXPECT_EQ(wilson(0, 20).low, 0.0);
  EXPECT_NEAR(wilson(0, 20).high, 0.16112515805282, 1e-12);
  EXPECT_EQ(wilson(20, 20).high, 1.0);
  EXPECT_EQ(wilson(0, 0).low, 0.0);
  EXPECT_EQ(wilson(0, 0).high, 1.0);
}

TEST(Wilson, SamplesOfOneItemDoNotPassForMoreItems) {
  Summary summary;
  Tally tally;
  tally.scored = 400, tally.correct = 124;
  summary.samples = 4;
  EXPECT_DOUBLE_EQ(accuracy_interval(summary, tally).low, wilson(31, 100).low);
  EXPECT_DOUBLE_EQ(accuracy_interval(summary, tally).high, wilson(31, 100).high);
  EXPECT_EQ(accuracy_interval(summary, {}).high, 1.0);
}

TEST(Pattern, FindsAsPythonDoes) {
  const Pattern groups("(-?[$0-9.,]{2,})|(-?[0-9]+)", "f", "t");
  const auto found = groups.find_all("it is $12 or 7");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_THAT(found[0], ElementsAre("$12", ""));
  EXPECT_THAT(found[1], ElementsAre("", "7"));
  EXPECT_EQ(Pattern("x*", "f", "t").find_all("axb").size(), 4u);  // re.findall("x*", "axb") == ['', 'x', '', '']
  EXPECT_EQ(Pattern("(?s).*#### ", "f", "t").remove_all("a\n#### b"), "b");
  EXPECT_EQ(Pattern("a", "f", "t").remove_all("\xff" "ba"), "\xff" "b");
}

TEST(Pattern, ComesBackFromCatastrophicBacktracking) {
  const Pattern pattern("(a+)+$", "f", "t");
  EXPECT_TRUE(pattern.find_all(std::string(40, 'a') + "b").empty());
}

}  // namespace
}  // namespace moe::eval
