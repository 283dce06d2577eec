// Every chain on the shapes that answers come in, and on text made to hurt.
#include <gtest/gtest.h>

#include <chrono>

#include "engine/base/error.h"
#include "eval/extract/extractor.h"
#include "eval/extract/thought.h"

namespace moe::eval {
namespace {

Extraction run(std::string_view chain, AnswerKind kind, std::string_view text, bool truncated = false) {
  Question question;
  question.kind = kind;
  return extract(find_chain(chain), question, split_response(text, truncated));
}

TEST(Chains, UnknownNameListsTheKnownOnes) {
  try {
    find_chain("strikt");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("strict, lenient, study-v1"), std::string::npos) << error.what();
  }
}

TEST(Chains, StrictTakesTheLastMarkAndLmEvalTheFirst) {
  const std::string_view text = "Q: a\n#### 8\nQ: b\n#### 1,234.50 dollars\n";
  EXPECT_EQ(run("strict", AnswerKind::number, text), (Extraction{"1234.50", "hash"}));
  EXPECT_EQ(run("strict-match", AnswerKind::number, text), (Extraction{"8", "strict-match"}));
  EXPECT_EQ(run("flexible-extract", AnswerKind::number, text), (Extraction{"1,234.50", "flexible-extract"}));
}

TEST(Chains, BoxedInsideDisplayWithNestedBraces) {
  const std::string_view text = "So\n\\[ \\boxed{\\frac{1}{\\sqrt{2}}} \\]\nDone.";
  EXPECT_EQ(run("strict", AnswerKind::math, text), (Extraction{"\\frac{1}{\\sqrt{2}}", "boxed"}));
  // The study stops at the first closing brace.
  EXPECT_EQ(run("study-v1", AnswerKind::math, text), (Extraction{"\\frac{1", "boxed"}));
}

TEST(Chains, ThoughtsAreNeverParsed) {
  EXPECT_FALSE(run("lenient", AnswerKind::number, "<think>The answer is 5").found());
  EXPECT_FALSE(run("strict", AnswerKind::choice, "<think>#### B\n").found());
  EXPECT_EQ(run("strict", AnswerKind::number, "<think>#### 5</think>\n#### 6"), (Extraction{"6", "hash"}));
  EXPECT_EQ(run("strict", AnswerKind::number, "#### 5\n</think>\n#### 6"), (Extraction{"6", "hash"}));
  // The study's ablation reads thoughts too.
  EXPECT_EQ(run("study-final", AnswerKind::choice, "<think>maybe #### b then"), (Extraction{"B", "hash"}));
}

TEST(Chains, ACapMayHaveCutTheValue) {
  EXPECT_FALSE(run("strict", AnswerKind::number, "so\n#### 12", true).found());
  EXPECT_EQ(run("strict", AnswerKind::number, "so\n#### 12"), (Extraction{"12", "hash"}));
  EXPECT_EQ(run("strict", AnswerKind::number, "so\n#### 12\nand then", true), (Extraction{"12", "hash"}));
  EXPECT_FALSE(run("lenient", AnswerKind::number, "first 3 + 4 = 7, then", true).found());
  EXPECT_EQ(run("lenient", AnswerKind::number, "first 3 + 4 = 7, then."), (Extraction{"7", "last-number"}));
}

TEST(Chains, HostileTextTakesLinearTime) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string_view piece : {"#### ",
                                       "\\boxed{",
                                       "answer is ",
                                       "<think>",
                                       "</think",
                                       "{",
                                       "}",
                                       "$",
                                       "1,",
                                       "1/",
                                       "- ",
                                       "A ",
                                       "\\[",
                                       "####\n",
                                       "Final Answer: The final answer is",
                                       "I hope it is correct.",
                                       " ",
                                       "\n",
                                       "answer",
                                       "\xff",
                                       "9",
                                       "the answer is",
                                       "\\frac{",
                                       "**",
                                       "< think",
                                       "\\boxed ",
                                       "a\u0301",
                                       "Final Answer: The final answer isI hope it is correct."}) {
    std::string text;
    while (text.size() < 400'000) text += piece;
    for (const Chain& chain : extractor_chains()) {
      for (const AnswerKind kind : {AnswerKind::number, AnswerKind::math, AnswerKind::choice}) {
        Question question;
        question.kind = kind;
        (void)extract(chain, question, {text, text, false, false});
      }
    }
  }
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // 28 texts x 11 chains x 3 kinds of 400 KB: minutes if any rule were quadratic, tens of seconds under
  // sanitizers.
  EXPECT_LT(seconds, 120);
}

}  // namespace
}  // namespace moe::eval
