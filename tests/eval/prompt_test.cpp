// Prompts and their tokens: exactly the requests that lm_eval makes of the same documents, and our own regimes.
#include "eval/prompt/prompt.h"

#include <map>

#include "eval/prompt/python_random.h"
#include "eval/util/json.h"
#include "eval/util/text_file.h"
#include "tests/eval/fixtures.h"
#include "tests/support/paths.h"

namespace moe::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::fault_of;

const std::string kData = test::fixture("eval/data/").string();

const Json& golden() {
  static const Json all = parse_json(read_text_file(kData + "lm_eval_requests.json"), "lm_eval_requests.json", "");
  return all;
}

const Task& task_named(const std::string& name) {
  static const TaskRegistry registry;
  return registry.find(name);
}

std::vector<Doc> docs_of(const Task& task, const std::string& file) {
  DatasetSpec spec = task.dataset;
  spec.splits["here"].files = {file};
  spec.splits["here"].rows.reset();
  spec.where.clear();
  return load_split(spec, "here", {kData}).docs;
}

class LmEvalRequests : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(LmEvalRequests, AreMadeToTheByte) {
  const auto [name, file] = GetParam();
  const Task& task = task_named(name);
  const Strategy& strategy = task.strategy("lm_eval");
  const std::vector<Doc> docs = docs_of(task, file);
  const std::vector<Doc> pool = docs_of(task_named("gsm8k"), "gsm8k_train.jsonl");
  const PromptBuilder builder(task, strategy, docs, &pool, {}, nullptr);
  const Json& expected = golden()["requests"][name];
  ASSERT_EQ(docs.size(), expected.size());
  for (std::size_t i = 0; i < docs.size(); ++i) {
    const Prompt prompt = builder.build(i);
    EXPECT_EQ(prompt.text, expected[i]["context"].get<std::string>());
    EXPECT_EQ(Json(prompt.continuations), expected[i]["continuations"]);
    EXPECT_EQ(prompt.target, expected[i]["target"].get<std::string>());
    EXPECT_EQ(docs[i].hash, expected[i]["doc_hash"].get<std::string>());
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, LmEvalRequests,
                         ::testing::Values(std::pair{"arc_challenge", "arc_test.jsonl"},
                                           std::pair{"arc_challenge_chat", "arc_test.jsonl"},
                                           std::pair{"truthfulqa_mc1", "truthfulqa.jsonl"},
                                           std::pair{"gsm8k", "gsm8k_test.jsonl"},
                                           std::pair{"gsm8k_cot", "gsm8k_test.jsonl"}));

// The recorded texts stand for the tokenizer: whatever else is asked of it fails.
TEST(EncodePair, AsksTheTokenizerWhatLmEvalAsksAndSplitsAsItDoes) {
  for (const auto& [name, tokens] : golden()["tokens"].items()) {
    std::map<std::string, TokenIds> known;
    for (const Json& one : tokens["encoded"]) known[one[0].get<std::string>()] = one[1].get<TokenIds>();
    const std::string bos = tokens["bos"].get<std::string>();
    TokenRules rules;
    rules.bos_text = bos;
    rules.encode = [&](std::string_view text, bool add_special) {
      EXPECT_EQ(add_special, text.substr(0, bos.size()) != bos) << text;
      const auto found = known.find(std::string(text));
      if (found == known.end()) ADD_FAILURE() << "lm_eval does not encode: " << text;
      return found == known.end() ? TokenIds{0} : found->second;
    };
    std::size_t count = 0;
    for (const Json& pair : tokens["pairs"]) {
      const PairEncoding split = encode_pair(rules, pair["context"].get<std::string>(), pair["continuation"].get<std::string>());
      EXPECT_EQ(split.context, pair["ids"][0].get<TokenIds>()) << name << pair["context"];
      EXPECT_EQ(split.continuation, pair["ids"][1].get<TokenIds>()) << name << pair["continuation"];
      ++count;
    }
    EXPECT_GE(count, 20u);
  }
}

TEST(EncodePair, AnEmptyContextBecomesThePrefixToken) {
  TokenRules rules;
  rules.prefix = 1;
  rules.encode = [](std::string_view text, bool add_special) {
    EXPECT_FALSE(add_special);
    return text == "bos" ? TokenIds{1, 5} : TokenIds{4, 5};
  };
  EXPECT_THAT(encode_pair(rules, "", "x").context, ElementsAre(1));
  EXPECT_THAT(encode_pair(rules, "", "x").continuation, ElementsAre(4, 5));
  EXPECT_THAT(encode_pair(rules, "", "bos").continuation, ElementsAre(5));
}

TEST(EncodePair, AChoiceWithoutATokenIsAFault) {
  TokenRules rules;
  rules.encode = [](std::string_view, bool) { return TokenIds{7}; };
  EXPECT_THAT(fault_of([&] { encode_pair(rules, "a", "b"); }), HasSubstr("at least one token on each side"));
}

TEST(EncodePrompt, ATemplatesTextGetsNoSecondBos) {
  std::vector<bool> asked;
  TokenRules rules;
  rules.bos_text = "<bos>";
  rules.encode = [&](std::string_view, bool add_special) {
    asked.push_back(add_special);
    return TokenIds{1};
  };
  encode_prompt(rules, "<bos>user", true);
  encode_prompt(rules, "user", true);
  encode_prompt(rules, "<bos>user", false);
  encode_prompt(rules, "user", false);
  EXPECT_EQ(asked, (std::vector<bool>{false, false, false, true}));
}

TEST(PromptBuilder, OurOwnLetterRegime) {
  const Task& task = task_named("arc_challenge");
  const std::vector<Doc> docs = docs_of(task, "arc_test.jsonl");
  const PromptBuilder plain(task, task.strategy("zero_shot"), docs, nullptr, {}, nullptr);
  EXPECT_EQ(plain.build(0).text,
            "Which of these melts in the sun?\n\nA. a stone\nB. an ice cube\nC. a spoon\nD. a brick\n\n"
            "Reply with the letter of the right option alone (A, B, C or D).");
  EXPECT_EQ(plain.build(0).target, "B");
  EXPECT_FALSE(plain.build(0).chat);

  PromptOptions options;
  options.system = "Be brief.";
  const auto render = [](const std::vector<ChatMessage>& messages) {
    std::string out = "<bos>";
    for (const ChatMessage& one : messages) out += "[" + one.role + "]" + one.content;
    return out + "[assistant]";
  };
  const Prompt chat = PromptBuilder(task, task.strategy("few_shot_cot"), docs, nullptr, options, render).build(2);
  EXPECT_TRUE(chat.chat);
  EXPECT_THAT(chat.text, HasSubstr("<bos>[system]Be brief.[user]Question: Which of these is a liquid"));
  EXPECT_THAT(chat.text, HasSubstr("(A, B, C, D or E)"));
  EXPECT_THAT(chat.text, HasSubstr("Answer:[assistant]"));
  EXPECT_EQ(chat.target, "C");
}

TEST(PromptBuilder, RefusesExamplesThereAreNot) {
  const Task& gsm8k = task_named("gsm8k");
  const std::vector<Doc> docs = docs_of(gsm8k, "gsm8k_test.jsonl");
  const auto build = [&](const char* strategy, int shots, int chat = -1) {
    PromptOptions options;
    options.fewshot = shots;
    options.chat = chat;
    PromptBuilder(gsm8k, gsm8k.strategy(strategy), docs, &docs, options, nullptr);
  };
  EXPECT_THAT(fault_of([&] { build("zero_shot", 2); }), HasSubstr("expected 0"));
  EXPECT_THAT(fault_of([&] { build("few_shot_cot", 9); }), HasSubstr("at most 3"));
  EXPECT_THAT(fault_of([&] { build("lm_eval", 4); }), HasSubstr("at most 3, the rows of the split train"));
  EXPECT_THAT(fault_of([&] { build("lm_eval", 0, 1); }), HasSubstr("a model with a chat template"));
}

// Values from CPython 3.11.
TEST(PythonRandom, EqualsCPython) {
  PythonRandom random(1234);
  EXPECT_THAT(random.sample(7473, 5), ElementsAre(6374, 3610, 957, 61, 742));
  EXPECT_THAT(random.sample(7473, 5), ElementsAre(7462, 6610, 4769, 286, 5501));
  EXPECT_THAT(random.sample(10, 8), ElementsAre(1, 9, 5, 8, 0, 7, 4, 6));
  EXPECT_THAT(random.sample(100, 20),
              ElementsAre(82, 79, 61, 78, 59, 19, 11, 23, 91, 14, 1, 64, 62, 31, 8, 85, 69, 76, 86, 65));
  EXPECT_EQ(PythonRandom((std::uint64_t{1} << 40) + 7).uniform(), 0.6137037779936511);
  EXPECT_EQ(PythonRandom(5).next32(), 2675342405u);
  PythonRandom other(42);
  std::vector<int> order = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  other.shuffle(order);
  EXPECT_THAT(order, ElementsAre(7, 5, 2, 8, 9, 6, 11, 3, 4, 0, 1, 10));
  EXPECT_EQ(other.below(std::uint64_t{1} << 40), 64561015027u);
  EXPECT_EQ(other.below(std::uint64_t{1} << 40), 477143787866u);
}

}  // namespace
}  // namespace moe::eval
