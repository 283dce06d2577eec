// Task files: what is built in, what users may add, and one clear fault for each way to get one wrong.
#include "eval/tasks/task.h"

#include "tests/eval/fixtures.h"

namespace moe::eval {
namespace {

using ::testing::HasSubstr;
using testing::fault_of;
using testing::TempDir;

constexpr const char* kSmall = R"({
  "task": "small", "version": "1", "title": "a small task",
  "dataset": {"name": "small", "format": "table", "source": "nowhere", "splits": {"test": {"files": ["a.jsonl"]}},
              "fields": {"question": "q", "answer": "a"}},
  "strategies": {"plain": {"kind": "generate", "prompt": "Q: {question}\nA:", "answer_kind": "number", "max_tokens": 8,
                           "extractors": ["strict", {"name": "digits", "pattern": "[0-9]+", "select": "last"}]}}})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(Task, ReadsASmallFile) {
  const Task task = parse_task(kSmall, "small.json");
  EXPECT_EQ(task.name, "small");
  EXPECT_EQ(task.default_strategy, "plain");
  const Strategy& s = task.strategy("plain");
  ASSERT_EQ(s.extractors.size(), 2u);
  EXPECT_EQ(s.extractors[0].chain, "strict");
  EXPECT_TRUE(s.extractors[1].last);
  EXPECT_EQ(label(task, s), "small__plain");
  EXPECT_EQ(task.hash.size(), 64u);
}

TEST(Task, BuiltInTasksCoverTheStudyAndLmEval) {
  const TaskRegistry registry;
  for (const char* name : {"arc_challenge", "gsm8k", "math_l1_3", "truthfulqa_mc1"}) {
    for (const char* strategy : {"zero_shot", "cot", "few_shot_cot"}) {
      EXPECT_FALSE(registry.find(name).strategy(strategy).lm_eval) << name << strategy;
    }
  }
  for (const char* name : {"arc_challenge", "arc_challenge_chat", "gsm8k", "gsm8k_cot", "minerva_math", "truthfulqa_mc1"}) {
    const Task& task = registry.find(name);
    EXPECT_EQ(task.default_strategy, "lm_eval") << name;
    EXPECT_EQ(label(task, task.strategy("lm_eval")), name);
  }
}

TEST(Task, NoTwoRegimesShareALabel) {
  std::set<std::string> labels;
  const TaskRegistry registry;
  for (const Task& task : registry.tasks()) {
    for (const Strategy& s : task.strategies) EXPECT_TRUE(labels.insert(label(task, s)).second) << label(task, s);
  }
}

struct Broken {
  const char *from, *to, *message;
};

class BrokenTask : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenTask, IsRefusedWithFileAndKey) {
  const auto [from, to, message] = GetParam();
  const std::string said = fault_of([&] { parse_task(replaced(kSmall, from, to), "small.json"); });
  EXPECT_THAT(said, HasSubstr("small.json"));
  EXPECT_THAT(said, HasSubstr(message));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, BrokenTask,
    ::testing::Values(
        Broken{"\"version\": \"1\"", "\"version\": 1", "version: expected a string, found 1"},
        Broken{"\"title\"", "\"titel\"", "title: expected a string, found no such key"},
        Broken{"\"version\": \"1\",", "\"version\": \"1\", \"colour\": 3,", "colour: expected a key this version knows"},
        Broken{"\"small\"", "\"sm all\"", "task: expected a name of letters"},
        Broken{"\"small\"", "\"a__b\"", "without a double underscore"},
        Broken{"\"table\"", "\"tabel\"", "dataset.format: expected one of \"arc\""},
        Broken{"a.jsonl", "../a.jsonl", "dataset.splits.test.files: expected names below the data directory"},
        Broken{"[\"a.jsonl\"]", "[]", "dataset.splits.test.files: expected at least one"},
        Broken{"\"question\": \"q\", ", "", "dataset.fields: expected at least \"question\""},
        Broken{"{\"test\"", "{\"train\"", "eval_split: expected one of the dataset's splits, found \"test\""},
        Broken{"\"generate\"", "\"guess\"", "strategies.plain.kind: expected one of"},
        Broken{"{question}", "{qustion}", "strategies.plain.prompt: expected a placeholder among"},
        Broken{"{question}", "{question", "a closed placeholder"},
        Broken{"{question}", "}question{", "}} for a brace of its own"},
        Broken{"{question}", "{question|upper}", "the filter strip"},
        Broken{"\"max_tokens\": 8", "\"max_tokens\": 0", "max_tokens: expected an integer from 1"},
        Broken{"\"max_tokens\": 8", "\"max_tokens\": 1e99", "max_tokens: expected an integer from 1"},
        Broken{"\"[0-9]+\"", "\"[0-9+\"", "extractors[1].pattern: expected a pattern that compiles"},
        Broken{"\"digits\"", "\"strict\"", "names that differ"},
        Broken{"\"strict\"", "\"strickt\"", "extractors[0]: expected"},
        Broken{"\"last\"", "\"middle\"", "extractors[1].select: expected one of"},
        Broken{"\"number\"", "\"colour\"", "answer_kind: expected one of"},
        Broken{"\"max_tokens\": 8,", "\"max_tokens\": 8, \"stop\": [\"\"],", "stop: expected strings that are not empty"},
        Broken{"\"max_tokens\": 8,", "\"max_tokens\": 8, \"fewshot\": {\"count\": 2, \"sampler\": \"listed\", \"examples\": []},",
               "fewshot.count: expected at most 0"},
        Broken{"\"max_tokens\": 8,", "\"max_tokens\": 8, \"fewshot\": {\"count\": 2, \"sampler\": \"first\", \"split\": \"dev\"},",
               "fewshot.split: expected one of the dataset's splits"},
        Broken{"\"max_tokens\": 8,",
               "\"max_tokens\": 8, \"fewshot\": {\"count\": 1, \"sampler\": \"listed\", \"examples\": [{\"question\": \"x\"}]},",
               "fewshot.examples[0].target: expected the field its template names"},
        Broken{"\"version\": \"1\",", "\"version\": \"1\", \"version\": \"2\",", "each key once"},
        Broken{"\"version\": \"1\",", "\"version\": ,", "expected JSON"}));

TEST(Task, DeepJsonIsRefusedNotRecursedInto) {
  const std::string deep = "{\"task\": " + std::string(100000, '[') + std::string(100000, ']') + "}";
  EXPECT_THAT(fault_of([&] { parse_task(deep, "deep.json"); }), HasSubstr("nesting of at most 64"));
}

TEST(Registry, TakesUsersTasksAndRefusesASecondName) {
  const TempDir directory;
  directory.write("small.json", kSmall);
  directory.write("notes.txt", "not a task");
  const TaskRegistry registry({directory.path()});
  EXPECT_EQ(registry.find("small").file, directory / "small.json");
  directory.write("other.json", kSmall);
  EXPECT_THAT(fault_of([&] { TaskRegistry({directory.path()}); }), HasSubstr("expected a name of its own"));
}

TEST(Registry, SaysWhatIsKnown) {
  const TaskRegistry registry;
  EXPECT_THAT(fault_of([&] { registry.find("arc"); }), HasSubstr("arc_challenge"));
  EXPECT_THAT(fault_of([&] { registry.find("gsm8k").strategy("zero-shot"); }), HasSubstr("zero_shot"));
  EXPECT_THAT(fault_of([&] { TaskRegistry({"/no/such/folder"}); }), HasSubstr("/no/such/folder"));
}

TEST(TextTemplate, PutsFieldsInAndReadsThemNoSecondTime) {
  const TextTemplate text("{{x}} {a}-{b|strip}", "f", "t");
  const auto fields = [](const std::string& name) -> std::string { return name == "a" ? "{b}" : "  two\n"; };
  EXPECT_EQ(text.render(fields), "{x} {b}-two");
  EXPECT_EQ(text.names(), (std::set<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace moe::eval
