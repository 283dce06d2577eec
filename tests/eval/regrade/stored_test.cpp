// Reading stored responses of every kind, and the study's raw files graded exactly as it graded them.
#include "eval/regrade/stored.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "engine/base/error.h"
#include "eval/dataset/csv.h"
#include "eval/grade/grade.h"
#include "eval/regrade/summary.h"
#include "eval/util/text_file.h"
#include "tests/support/paths.h"

namespace moe::eval {
namespace {

namespace fs = std::filesystem;

class Stored : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("moe_stored_" + std::string(info->name()) + "_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& content) const {
    const fs::path path = folder_ / name;
    if (name.size() > 3 && name.substr(name.size() - 3) == ".gz") {
      gzFile file = gzopen(path.c_str(), "wb");
      gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
      gzclose(file);
    } else {
      std::ofstream(path, std::ios::binary) << content;
    }
    return path.string();
  }

  static std::vector<StoredResponse> read(const std::string& path) {
    std::vector<StoredResponse> out;
    read_stored(path, std::nullopt, [&](const StoredResponse& stored) { out.push_back(stored); });
    return out;
  }

  void expect_error(const std::string& path, ErrorKind kind, const std::string& part) const {
    try {
      read(path);
      ADD_FAILURE() << "no error for " << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }

  fs::path folder_;
};

constexpr const char* kHeader = "dataset_name,strategy,sample_id,question,gold_answer,response_text\n";

// Other budgets are other regimes, and a latency run answers again what a batch answered.
TEST_F(Stored, ASweepsJournalKeepsItsRegimesApart) {
  const std::string record =
      R"({"model":"m","task":"gsm8k","strategy":"cot","doc_id":1,"response":"#### 5","target":"5","finish_reason":"stop")";
  const std::vector<StoredResponse> rows =
      read(write("journal.jsonl", record + "}\n" + record + R"(,"variant":"max_tokens_8","timing":{"mode":"throughput"}})" + "\n" +
                                      record + R"(,"variant":"","timing":{"mode":"latency"}})" + "\n" +
                                      record + R"(,"repeat":1,"timing":{"mode":7}})" + "\n"));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].strategy, "cot");
  EXPECT_EQ(rows[1].strategy, "cot__max_tokens_8");
  EXPECT_EQ(rows[2].strategy, "cot__latency");
  EXPECT_EQ(rows[3].strategy, "cot");
}

// What a strategy's name does not say tells experiments apart, and an item that was run again counts once.
TEST_F(Stored, RecordsThatCannotBeAddedUpAreCountedApart) {
  const auto record = [](const std::string& id, const std::string& response, const std::string& more) {
    return R"({"model":"m","task":"gsm8k","strategy":"cot","doc_id":)" + id + R"(,"response":"#### )" + response +
           R"(","target":"5","finish_reason":"stop","num_fewshot":0,"chat_template_applied":true,"seed":42)" + more + "}\n";
  };
  const std::string greedy = R"(,"reasoning":"auto","sampling":{"temperature":0.0,"top_k":0})";
  const std::string path = write("journal.jsonl",
                                 record("1", "4", greedy) + record("2", "5", greedy) + record("1", "5", greedy) +
                                     record("1", "6", R"(,"reasoning":"on","sampling":{"temperature":0.0,"top_k":0})") +
                                     record("1", "7", R"(,"reasoning":"auto","sampling":{"temperature":0.9,"top_k":0})"));
  GradeSummary summary;
  const Chain& strict = find_chain("strict");
  std::vector<std::string> texts;
  const StoredFile file = read_stored(path, std::nullopt, [&](const StoredResponse& stored) {
    texts.push_back(stored.text);
    count(summary, stored, strict, score(strict, stored.question, stored.response(), stored.gold));
  });
  EXPECT_EQ(texts, (std::vector<std::string>{"#### 5", "#### 5", "#### 6", "#### 7"}));
  EXPECT_EQ(file.rows, 4U);
  EXPECT_EQ(file.superseded, 1U);
  std::map<std::string, std::size_t> rows;
  for (const auto& [key, counts] : summary) rows[distinct_name(summary, key)] = counts.n;
  EXPECT_EQ(rows, (std::map<std::string, std::size_t>{{"cot, reasoning auto, temperature 0.0", 2},
                                                      {"cot, reasoning on, temperature 0.0", 1},
                                                      {"cot, reasoning auto, temperature 0.9, top_k 0, seed 42", 1}}));
}

TEST_F(Stored, CsvWithQuotedLineEndsPlainAndPacked) {
  const std::string text =
      std::string(kHeader) +
      "arc_challenge,orig_cot,7,\"Which?\n1. a\n2. b\",2,\"first \"\"A\"\",\r\nthen\n#### 2\"\r\n"
      "gsm8k,orig_cot,8,How many?,\"work\n#### 1,000\",\"so\n#### 1000\"\n";
  for (const char* name : {"rows.csv", "rows.csv.gz"}) {
    const auto rows = read(write(name, text));
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].id, "7");
    EXPECT_EQ(rows[0].text, "first \"A\",\r\nthen\n#### 2");
    EXPECT_EQ(rows[0].question.kind, AnswerKind::choice);
    EXPECT_EQ(rows[0].question.labels, (std::vector<std::string>{"1", "2"}));
    EXPECT_EQ(score(find_chain("strict"), rows[0].question, rows[0].response(), rows[0].gold).extraction,
              (Extraction{"2", "hash"}));
    EXPECT_EQ(rows[1].question.kind, AnswerKind::number);
    EXPECT_EQ(score(find_chain("strict"), rows[1].question, rows[1].response(), rows[1].gold).correct(),
              true);
  }
}

TEST_F(Stored, LmEvalSamplesOnceADocument) {
  const std::string line =
      R"({"doc_id": 3, "doc": {"question": "q"}, "target": "x #### 8", "resps": [["it is 8"]], "filter": )";
  const auto rows = read(write("samples_gsm8k_2026-01-02T03-04-05.678901.jsonl",
                               line + "\"strict-match\"}\n" + line + "\"flexible-extract\"}\n"));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].task, "gsm8k");
  EXPECT_EQ(rows[0].id, "3");
  EXPECT_EQ(
      score(find_chain("flexible-extract"), rows[0].question, rows[0].response(), rows[0].gold).correct(),
      true);
  EXPECT_EQ(score(find_chain("strict-match"), rows[0].question, rows[0].response(), rows[0].gold).correct(),
            false);
}

TEST_F(Stored, JournalUsesItsOwnAnswerAndFlags) {
  const std::string done =
      R"({"model":"m","task":"gsm8k","strategy":"cot","doc_id":1,"response":"hm #### 3 end 4\n#### 5\n","thought":"hm #### 3 ","answer":" 4\n#### 5\n","target":"5","finish_reason":"length"})";
  const std::string scored =
      R"({"model":"m","task":"arc_challenge","strategy":"mc","doc_id":2,"response":null,"answer":"A","target":"A","finish_reason":"stop"})";
  const std::string path = write("journal.jsonl", done + "\n" + scored + "\n{\"model\":\"m\",\"ta");
  std::vector<StoredResponse> rows;
  const StoredFile file =
      read_stored(path, std::nullopt, [&](const StoredResponse& r) { rows.push_back(r); });
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(file.without_response, 1U);
  EXPECT_EQ(file.cut_bytes, 16U);
  EXPECT_EQ(rows[0].truncated, true);
  EXPECT_EQ(rows[0].response().answer, " 4\n#### 5\n");
  EXPECT_EQ(score(find_chain("strict"), rows[0].question, rows[0].response(), rows[0].gold).correct(), true);
}

TEST_F(Stored, BadFilesNameTheFault) {
  expect_error((folder_ / "absent.csv").string(), ErrorKind::io, "absent.csv");
  expect_error(folder_.string(), ErrorKind::io, "regular file");
  expect_error(write("empty.csv", ""), ErrorKind::format, "an empty file");
  expect_error(write("no_column.csv", "dataset_name,strategy,sample_id,gold_answer\n"), ErrorKind::format,
               "response_text");
  expect_error(write("short.csv", std::string(kHeader) + "a,b,c\n"), ErrorKind::format,
               "line 2: expected 6 cells, found 3");
  expect_error(write("quote.csv", std::string(kHeader) + "a,b,1,q,g,\"open\n"), ErrorKind::format,
               "closed quote");
  expect_error(write("json.jsonl", "{\"task\": \n"), ErrorKind::format, "line 1");
  expect_error(write("other.jsonl", "{\"a\": 1}\n"), ErrorKind::format, "neither");
  expect_error(write("ll.jsonl", "{\"doc_id\":0,\"target\":\"0\",\"resps\":[[[-1.0,false]]]}\n"),
               ErrorKind::format, "log-likelihoods");
  expect_error(write("cut.jsonl", "{\"doc_id\":0,\"target\":\"0\",\"resps\":[[\"x\"]]}\n{\"doc_id\""),
               ErrorKind::format, "line 2");
  std::string packed = write("rows.csv.gz", kHeader + std::string(50'000, 'x'));
  fs::resize_file(packed, 60);
  expect_error(packed, ErrorKind::format, "gzip");
}

// ---- the study
// ----------------------------------------------------------------------------------------------

TEST(Study, ItsColumnsComeOutInEveryRow) {
  const fs::path folder = test::shared_data() / "study_a" / "raw";
  if (!fs::is_directory(folder)) GTEST_SKIP() << "no study_a/raw in MOE_SHARED_DATA";
  std::size_t rows = 0, files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().string().find(".csv") == std::string::npos) continue;
    ++files;
    const std::vector<CsvRow> table = parse_csv(read_text_file(entry.path().string()), entry.path().string());
    std::map<std::string, std::size_t> column;
    for (std::size_t i = 0; i < table[0].cells.size(); ++i) column[table[0].cells[i]] = i;
    std::size_t at = 0;
    read_stored(entry.path().string(), std::nullopt, [&](const StoredResponse& stored) {
      ++rows;
      ++at;  // the first row is the header
      const auto cell = [&](const char* name) { return table.at(at).cells[column.at(name)]; };
      const bool original = stored.strategy.rfind("orig_", 0) == 0;
      const Scored main = score(find_chain(original ? "study-v1" : "study-final"), stored.question,
                                stored.response(), stored.gold);
      EXPECT_EQ(main.extraction.value, cell("prediction")) << entry.path() << " row " << at;
      EXPECT_EQ(main.correct(), cell("correct") == "1") << entry.path() << " row " << at;
      const Scored lenient =
          score(find_chain("study-lenient"), stored.question, stored.response(), stored.gold);
      EXPECT_EQ(lenient.extraction.value, cell("diagnostic_lenient_prediction"))
          << entry.path() << " row " << at;
      EXPECT_EQ(lenient.correct(), cell("diagnostic_lenient_correct") == "1")
          << entry.path() << " row " << at;
    });
  }
  EXPECT_EQ(files, 5U);
  EXPECT_EQ(rows, 2500U);
}

}  // namespace
}  // namespace moe::eval
