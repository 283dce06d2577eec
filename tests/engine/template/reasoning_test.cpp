// Thought and answer apart, however the reply is cut into pieces.
#include <gtest/gtest.h>

#include "engine/text/reasoning.h"
#include "tests/engine/template/support.h"

namespace moe {
namespace {

struct Case {
  ReasoningFormat format;
  std::string prompt;
  std::string reply;
  std::string thought;
  std::string answer;
  bool had_thought;
  bool closed;
};

std::vector<Case> cases() {
  using enum ReasoningFormat;
  return {
      {none, "", "<think>x</think>y", "", "<think>x</think>y", false, true},
      // <think>
      {think_tags, "", "<think>\nfirst\n\nsecond\n</think>\n\nanswer\n", "first\n\nsecond", "answer\n", true,
       true},
      {think_tags, "", "  \n<think>x</think>y", "x", "y", true, true},
      {think_tags, "", "plain < <think answer", "", "plain < <think answer", false, true},
      {think_tags, "", "say <think>x</think>", "", "say <think>x</think>", false, true},
      {think_tags, "", "<think>a</think>b <think>c</think>", "a", "b <think>c</think>", true, true},
      {think_tags, "", "<think>\n\n</think>\n\nanswer", "", "answer", false, true},
      {think_tags, "", "<think>never\nends ", "never\nends", "", true, false},
      {think_tags, "", "<think>cut </thi", "cut </thi", "", true, false},
      {think_tags, "", "<think>", "", "", false, false},
      {think_tags, "", "<thin", "", "<thin", false, true},
      {think_tags, "", "  ", "", "  ", false, true},
      {think_tags, "", "", "", "", false, true},
      {think_tags, "<|im_start|>assistant\n<think>\n", "x\n</think>\n\ny", "x", "y", true, true},
      {think_tags, "<|im_start|>assistant\n<think>\n", "no end", "no end", "", true, false},
      {think_tags, "<｜Assistant｜><think>", "x</think>y", "x", "y", true, true},
      {think_tags, "<|im_start|>assistant\n<think>\n\n</think>\n\n", "answer", "", "answer", false, true},
      {think_tags, "<|im_start|>assistant\n<think>\n\n</think>\n\n", "<think>x</think>", "",
       "<think>x</think>", false, true},
      {think_tags, "<|im_start|>user\nwhat is <think>?<|im_end|>\n<|im_start|>assistant\n", "it", "", "it",
       false, true},
      {think_tags, "", "<think>ü 🦊 </think>é", "ü 🦊", "é", true, true},
      // Gemma 4
      {gemma_channel, "<|turn>model\n", "<|channel>thought\nhm, so\n<channel|>42", "hm, so", "42", true,
       true},
      {gemma_channel, "<|turn>model\n", "42", "", "42", false, true},
      {gemma_channel, "<|turn>model\n<|channel>thought\n<channel|>", "42", "", "42", false, true},
      {gemma_channel, "<|turn>model\n<|channel>thought\n", "hm<channel|>42", "hm", "42", true, true},
      {gemma_channel, "", "<|channel>thought\n<channel|>42", "", "42", false, true},
      {gemma_channel, "", "<|channel>thought<channel|>42", "", "42", false, true},
      {gemma_channel, "", "<|channel>thought\nhm", "hm", "", true, false},
      {gemma_channel, "", "<|channel>thou", "", "", false, false},
      {gemma_channel, "", "a<|channel>thought\nb<channel|>c", "b", "ac", true, true},
      {gemma_channel, "", "a <|chan", "", "a <|chan", false, true},
      // harmony
      {harmony, "<|start|>assistant",
       "<|channel|>analysis<|message|>Think.<|end|><|start|>assistant<|channel|>final<|message|>Say.<|return|"
       ">",
       "Think.", "Say.", true, true},
      {harmony, "<|start|>assistant", "<|channel|>final<|message|>Say.", "", "Say.", false, true},
      {harmony, "<|start|>assistant", "<|channel|>analysis<|message|>Thi", "Thi", "", true, false},
      {harmony, "<|start|>assistant", "<|channel|>analysis<|message|>T<|end|>", "T", "", true, true},
      {harmony, "<|start|>assistant",
       "<|channel|>analysis<|message|>A<|end|><|start|>assistant to=functions.f<|channel|>commentary "
       "json<|message|>{}<|call|>",
       "A{}", "", true, true},
      {harmony, "<|start|>assistant<|channel|>final<|message|>", "Say.<|return|>", "", "Say.", false, true},
      {harmony, "<|start|>assistant<|channel|>analysis<|message|>",
       "T<|end|><|start|>assistant<|channel|>final<|message|>S", "T", "S", true, true},
      {harmony, "<|start|>assistant", "no channels at all", "", "no channels at all", false, true},
      {harmony, "<|start|>assistant", "<|message|>direct", "", "direct", false, true},
      {harmony, "", "text first<|return|>", "", "text first", false, true},
  };
}

TEST(Reasoning, SplitsWholeRepliesAndEveryCutOfThem) {
  for (const Case& c : cases()) {
    const SplitReply whole = split_reply(c.format, c.reply, c.prompt);
    EXPECT_EQ(whole.thought, c.thought) << c.reply;
    EXPECT_EQ(whole.answer, c.answer) << c.reply;
    EXPECT_EQ(whole.state.had_thought, c.had_thought) << c.reply;
    EXPECT_EQ(whole.state.closed, c.closed) << c.reply;
    for (std::size_t size = 1; size <= c.reply.size(); ++size) {
      ReasoningSplitter splitter(c.format, c.prompt);
      std::string thought;
      std::string answer;
      for (std::size_t at = 0; at < c.reply.size(); at += size) {
        const ReasoningDelta delta = splitter.push(std::string_view(c.reply).substr(at, size));
        thought += delta.thought;
        answer += delta.answer;
      }
      const ReasoningDelta rest = splitter.finish();
      EXPECT_EQ(thought + rest.thought, c.thought) << c.reply << " in pieces of " << size;
      EXPECT_EQ(answer + rest.answer, c.answer) << c.reply << " in pieces of " << size;
      EXPECT_EQ(splitter.state().closed, c.closed) << c.reply << " in pieces of " << size;
    }
  }
}

TEST(Reasoning, StreamsWithoutDelay) {
  ReasoningSplitter splitter(ReasoningFormat::think_tags);
  EXPECT_EQ(splitter.push("<think>one").thought, "one");
  EXPECT_TRUE(splitter.in_thought());
  EXPECT_EQ(splitter.push(" two<").thought, " two");
  EXPECT_EQ(splitter.push("b").thought, "<b");
  EXPECT_EQ(splitter.push("\n</think>").thought, "");
  EXPECT_FALSE(splitter.in_thought());
  EXPECT_EQ(splitter.push("\n\nyes").answer, "yes");
  EXPECT_EQ(splitter.push(" <").answer, " <");
  EXPECT_EQ(splitter.finish().answer, "");
}

TEST(Reasoning, AHeaderWithoutEndIsKept) {
  const std::string reply(5000, 'x');
  const SplitReply split = split_reply(ReasoningFormat::harmony, reply, "<|start|>assistant");
  EXPECT_EQ(split.answer, reply);
}

TEST(Reasoning, FormatsOfTemplates) {
  EXPECT_EQ(reasoning_format_of("{{ '<think>' }}"), ReasoningFormat::think_tags);
  EXPECT_EQ(reasoning_format_of("<|channel>thought <channel|>"), ReasoningFormat::gemma_channel);
  EXPECT_EQ(reasoning_format_of("<|start|> <|channel|>analysis<|message|>"), ReasoningFormat::harmony);
  const auto data = test::shared_data() / "templates";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "no shared data (set MOE_SHARED_DATA)";
  EXPECT_EQ(reasoning_format_of(test::read_text(data / "google-gemma-4-31B-it.jinja")),
            ReasoningFormat::gemma_channel);
  EXPECT_EQ(reasoning_format_of(test::read_text(data / "openai-gpt-oss-120b.jinja")),
            ReasoningFormat::harmony);
  EXPECT_EQ(reasoning_format_of(test::read_text(data / "Qwen-Qwen3-0.6B.jinja")),
            ReasoningFormat::think_tags);
}

}  // namespace
}  // namespace moe
