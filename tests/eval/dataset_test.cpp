// Datasets: the published shapes, faults with file and line, hashes that equal lm_eval's, balanced choices.
#include <zlib.h>

#include <map>

#include "eval/dataset/csv.h"
#include "eval/dataset/doc.h"
#include "tests/eval/fixtures.h"

namespace moe::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::fault_of;
using testing::TempDir;

const DatasetSpec& spec_of(const char* task) {
  static const TaskRegistry registry;
  return registry.find(task).dataset;
}

DatasetSpec format_only(const std::string& format) {
  DatasetSpec spec;
  spec.name = "x";
  spec.format = format;
  spec.splits["test"].files = {"x.jsonl"};
  return spec;
}

constexpr const char* kAi2 =
    R"({"id":"a1","question":{"stem":"Why?","choices":[{"text":"one","label":"1"},{"text":"two","label":"2"},{"text":"three","label":"3"}]},"answerKey":"2"})";
constexpr const char* kHf =
    R"({"id": "a1", "question": "Why?", "choices": {"text": ["one", "two", "three"], "label": ["1", "2", "3"]}, "answerKey": "2"})";

TEST(Dataset, BothShapesOfArcAreOneDocument) {
  const Doc ai2 = parse_rows(format_only("arc"), kAi2, "a.jsonl").at(0);
  const Doc hf = parse_rows(format_only("arc"), kHf, "a.jsonl").at(0);
  EXPECT_EQ(ai2.json, hf.json);
  EXPECT_EQ(ai2.gold, 1);
  EXPECT_EQ(ai2.target, "B");
  EXPECT_THAT(hf.labels, ElementsAre("1", "2", "3"));
  EXPECT_EQ(hf.json, "{\n  \"id\": \"a1\",\n  \"question\": \"Why?\",\n  \"choices\": {\n    \"text\": [\n      \"one\",\n"
                     "      \"two\",\n      \"three\"\n    ],\n    \"label\": [\n      \"1\",\n      \"2\",\n      \"3\"\n"
                     "    ]\n  },\n  \"answerKey\": \"2\"\n}");
}

TEST(Dataset, Gsm8kTargetIsBehindTheMark) {
  const Doc doc = parse_rows(format_only("gsm8k"), R"({"question": "q", "answer": "work\n#### 1,234"})", "g.jsonl").at(0);
  EXPECT_EQ(doc.target, "1,234");
  EXPECT_EQ(doc.answer, "work\n#### 1,234");
}

TEST(Dataset, MathTargetIsTheLastBalancedBox) {
  const auto target = [](const std::string& row) { return parse_rows(format_only("math"), row, "m.jsonl").at(0).target; };
  EXPECT_EQ(target(R"({"problem": "p", "solution": "so \\boxed{1} or $\\boxed{\\frac{1}{2}}$"})"), "\\frac{1}{2}");
  EXPECT_EQ(target(R"({"problem": "p", "solution": "so $\\boxed 5$."})"), "5");
  EXPECT_EQ(target(R"({"problem": "p", "solution": "so $\\fbox{x}$."})"), "x");
  EXPECT_EQ(target(R"({"problem": "p", "solution": "s", "answer": "7"})"), "7");
  EXPECT_EQ(parse_rows(format_only("math"), R"({"problem": "p", "solution": "\\boxed{1}", "level": "Level 3", "type": "Algebra"})",
                       "m.jsonl").at(0).fields.at("level"), "3");
}

TEST(Dataset, TruthfulQaInItsThreeShapes) {
  const Doc hf = parse_rows(format_only("truthfulqa"),
      R"({"question": "q", "mc1_targets": {"choices": ["t", "f", "g"], "labels": [1, 0, 0]}})", "t.jsonl").at(0);
  const Doc original = parse_rows(format_only("truthfulqa"),
      R"([{"question": "q", "mc1_targets": {"t": 1, "f": 0, "g": 0}}])", "t.json").at(0);
  EXPECT_EQ(hf.json, original.json);
  const Doc csv = parse_rows(format_only("truthfulqa"),
      "\xef\xbb\xbfType,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\r\n"
      "A,Myths,q,t,\"t; also t\",\"f; g\",\"http://x\n\"\"y\"\"\"\r\n", "t.csv").at(0);
  EXPECT_THAT(csv.choices, ElementsAre("t", "f", "g"));
  EXPECT_EQ(csv.fields.at("category"), "Myths");
  EXPECT_EQ(csv.gold, 0);
}

TEST(Dataset, AnyTableByItsFieldMap) {
  DatasetSpec spec = format_only("table");
  spec.fields = {{"question", "/q/text"}, {"choices", "opts"}, {"gold", "right"}, {"topic", "topic"}};
  const std::string row = R"({"q": {"text": "why"}, "opts": ["x", "y"], "right": 1, "topic": "t"})";
  const Doc doc = parse_rows(spec, row, "x.jsonl").at(0);
  EXPECT_EQ(doc.question, "why");
  EXPECT_EQ(doc.gold, 1);
  EXPECT_EQ(doc.fields.at("topic"), "t");
  EXPECT_THAT(fault_of([&] { parse_rows(spec, R"({"q": {"text": "why"}, "opts": ["x", "y"], "right": 2, "topic": "t"})", "x.jsonl"); }),
              HasSubstr("an index below 2"));
}

struct Broken {
  const char *format, *row, *message;
};
class BrokenRow : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenRow, IsRefusedWithItsLine) {
  const auto [format, row, message] = GetParam();
  const std::string said = fault_of([&, f = format, r = row] { parse_rows(format_only(f), "\n" + std::string(r), "bad.jsonl"); });
  EXPECT_THAT(said, HasSubstr("bad.jsonl: line 2"));
  EXPECT_THAT(said, HasSubstr(message));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, BrokenRow,
    ::testing::Values(
        Broken{"arc", "{", "expected JSON"}, Broken{"arc", "[1]", "a JSON object"}, Broken{"arc", "{}", "question: expected a value"},
        Broken{"arc", R"({"question": "q", "choices": {"text": ["a", "b"], "label": ["A"]}, "answerKey": "A"})", "2 labels"},
        Broken{"arc", R"({"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "C"})", "answerKey: expected one of the labels A, B"},
        Broken{"arc", R"({"question": "q", "choices": {"text": ["a"], "label": ["A"]}, "answerKey": "A"})", "2 to 26 choices"},
        Broken{"arc", R"({"question": "q", "choices": {"text": ["a", ""], "label": ["A", "B"]}, "answerKey": "A"})", "not empty"},
        Broken{"arc", R"({"question": "q", "choices": ["a", "b"], "answerKey": "A"})", "choices.text: expected an object"},
        Broken{"gsm8k", R"({"question": "q", "answer": "7"})", "no ####"}, Broken{"gsm8k", R"({"question": 7, "answer": "#### 7"})", "question: expected a string"},
        Broken{"gsm8k", R"({"question": "q", "answer": "#### "})", "a number behind ####"},
        Broken{"math", R"({"problem": "p", "solution": "no box"})", "\\boxed"},
        Broken{"math", R"({"problem": "p", "solution": "\\boxed{1"})", "\\boxed"},
        Broken{"truthfulqa", R"({"question": "q", "mc1_targets": {"choices": ["a", "b"], "labels": [0, 0]}})", "one true choice, found none"},
        Broken{"truthfulqa", R"({"question": "q", "mc1_targets": {"choices": ["a", "b"], "labels": [1, 1]}})", "found several"},
        Broken{"truthfulqa", R"({"question": "q", "mc1_targets": 3})", "mc1_targets: expected an object"}));

TEST(Dataset, FindsFilesInTheDirectoryOrItsFolderPlainOrGzip) {
  const TempDir directory;
  std::filesystem::create_directories(directory / "arc");
  const std::string path = directory / "arc/ARC-Challenge-Test.jsonl.gz";
  gzFile file = gzopen(path.c_str(), "wb");
  gzputs(file, kAi2);
  gzclose(file);
  const Dataset data = load_split(spec_of("arc_challenge"), "test", {"/no/such", directory.path()});
  EXPECT_EQ(data.file, path);
  EXPECT_EQ(data.docs.size(), 1u);
  ASSERT_EQ(data.warnings.size(), 1u);
  EXPECT_THAT(data.warnings[0], HasSubstr("1 rows, where the published file has 1172"));

  // A stream that was cut off is a fault, not a shorter benchmark.
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 6);
  EXPECT_THAT(fault_of([&] { load_split(spec_of("arc_challenge"), "test", {directory.path()}); }), HasSubstr("gzip"));
}

TEST(Dataset, AMissingFileSaysWhereToGetIt) {
  const std::string said = fault_of([] { load_split(spec_of("gsm8k"), "test", {"/no/such"}); });
  EXPECT_THAT(said, HasSubstr("test.jsonl"));
  EXPECT_THAT(said, HasSubstr("grade-school-math"));
  EXPECT_THAT(said, HasSubstr("/no/such"));
}

TEST(Dataset, DirectoriesComeFromFlagThenEnvironment) {
  ::setenv("MOE_DATA", "/c", 1);
  EXPECT_THAT(data_directories("/a:/b"), ElementsAre("/a", "/b", "/c"));
  ::unsetenv("MOE_DATA");
  EXPECT_TRUE(data_directories("").empty());
}

TEST(Dataset, CounterbalanceSpreadsGoldEvenlyAndIgnoresTheLimit) {
  std::vector<Doc> docs;
  for (int i = 0; i < 40; ++i) {
    Doc doc;
    for (int c = 0; c < (i % 2 == 0 ? 4 : 5); ++c) doc.choices.push_back(letter(static_cast<std::size_t>(c)));
    doc.labels = doc.choices;
    doc.gold = 0;
    docs.push_back(doc);
  }
  std::vector<Doc> same = docs, other = docs;
  counterbalance(docs, 7);
  counterbalance(same, 7);
  counterbalance(other, 8);
  std::map<std::pair<std::size_t, int>, int> places;
  bool differs = false;
  for (std::size_t i = 0; i < docs.size(); ++i) {
    EXPECT_EQ(docs[i].choices[static_cast<std::size_t>(docs[i].gold)], "A");
    EXPECT_EQ(docs[i].target, letter(static_cast<std::size_t>(docs[i].gold)));
    EXPECT_EQ(docs[i].choices, same[i].choices);
    differs = differs || docs[i].choices != other[i].choices;
    ++places[{docs[i].choices.size(), docs[i].gold}];
  }
  EXPECT_TRUE(differs);
  for (int place = 0; place < 4; ++place) EXPECT_EQ((places[{4, place}]), 5);
  for (int place = 0; place < 5; ++place) EXPECT_EQ((places[{5, place}]), 4);
}

TEST(Csv, QuotesAndLineEnds) {
  const std::vector<CsvRow> rows = parse_csv("a,b\r\n\"x,\"\"1\"\"\ny\",\n\n,\"\"", "x.csv");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_THAT(rows[1].cells, ElementsAre("x,\"1\"\ny", ""));
  EXPECT_EQ(rows[2].line, 5u);
  EXPECT_THAT(rows[2].cells, ElementsAre("", ""));
  EXPECT_THAT(fault_of([] { parse_csv("a\n\"b", "x.csv"); }), HasSubstr("x.csv: line 2"));
}

TEST(SharedData, EveryPublishedFileIsReadWhole) {
  SKIP_WITHOUT_SHARED_DATA();
  const std::vector<std::string> directories = {testing::shared_data()};
  const TaskRegistry registry;
  for (const Task& task : registry.tasks()) {
    for (const auto& [split, unused] : task.dataset.splits) {
      const Dataset data = load_split(task.dataset, split, directories);
      EXPECT_TRUE(data.warnings.empty()) << data.warnings.front();
    }
  }
  EXPECT_EQ(load_split(spec_of("math_l1_3"), "test", directories).docs.size(), 238u);
}

// The three published shapes of one benchmark hold the same documents.
TEST(SharedData, ShapesOfOneBenchmarkAgree) {
  SKIP_WITHOUT_SHARED_DATA();
  const std::vector<std::string> directories = {testing::shared_data()};
  const auto hashes = [&](DatasetSpec spec, const std::string& split, const std::string& file) {
    spec.splits[split].files = {file};
    std::vector<std::string> out;
    for (const Doc& doc : load_split(spec, split, directories).docs) out.push_back(doc.hash);
    return out;
  };
  EXPECT_EQ(hashes(spec_of("arc_challenge"), "test", "hf_test.jsonl"),
            hashes(spec_of("arc_challenge"), "test", "ARC-Challenge-Test.jsonl"));
  // lm_eval's doc_hash of the first ARC test row.
  EXPECT_EQ(hashes(spec_of("arc_challenge"), "test", "hf_test.jsonl")[0],
            "9ac07c0bf329749d60dea47e62236e71200f89791410eb0286c28d7e2cd94426");
}

}  // namespace
}  // namespace moe::eval
