// Runs with a scripted model: scoring, records, resuming after any end, refusals, lm_eval's files.
#include "eval/run/runner.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <cmath>
#include <csignal>

#include "eval/run/results.h"
#include "eval/util/json.h"
#include "tests/eval/fake_backend.h"
#include "tests/eval/fixtures.h"
#include "tests/support/paths.h"

namespace moe::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::FakeBackend;
using testing::fault_of;
using testing::read_all;
using testing::TempDir;

const std::string kData = test::fixture("eval/data").string();

// The built-in tasks over the small files of tests/eval/data.
struct Bench {
  TempDir directory;
  TaskRegistry registry;
  RunOptions options;

  Bench() {
    namespace fs = std::filesystem;
    const auto copy = [&](const char* from, const char* to) {
      fs::create_directories(fs::path(directory / to).parent_path());
      fs::copy_file(kData + "/" + from, directory / to);
    };
    copy("arc_test.jsonl", "data/arc/hf_test.jsonl");
    copy("gsm8k_test.jsonl", "data/gsm8k/test.jsonl");
    copy("gsm8k_train.jsonl", "data/gsm8k/train.jsonl");
    options.data = {directory / "data"};
  }
  std::unique_ptr<Condition> condition(Backend& backend, const char* task, const char* strategy) {
    const Task& found = registry.find(task);
    return plan(found, found.strategy(strategy), options, backend);
  }
  std::string journal_path() const { return directory / "journal.jsonl"; }
  Summary run_once(Backend& backend, const char* task, const char* strategy, const RunHooks& hooks = {}) {
    const auto planned = condition(backend, task, strategy);
    RunJournal journal(journal_path(), nullptr);
    journal.check_model(backend.info());
    outcomes.clear();
    Summary summary = run(*planned, backend, journal, hooks, outcomes);
    summary.condition = nullptr;
    return summary;
  }
  std::vector<Json> records() const {
    std::vector<Json> out;
    const std::string text = read_all(journal_path());
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      out.push_back(parse_json(text.substr(at, text.find('\n', at) - at), "journal", ""));
    }
    return out;
  }
  std::vector<std::optional<Outcome>> outcomes;
};

TEST(Run, ScoresChoicesAsLmEvalDoes) {
  Bench bench;
  FakeBackend model;
  const Summary summary = bench.run_once(model, "arc_challenge", "lm_eval");
  EXPECT_EQ(summary.finished, 3u);
  ASSERT_EQ(summary.tallies.size(), 2u);
  // The longest choice wins "acc": an ice cube (right), Proxima Centauri (right), six hundred (wrong).
  EXPECT_EQ(summary.tallies[0].correct, 2u);
  const std::vector<Json> records = bench.records();
  ASSERT_EQ(records.size(), 3u);
  const Json& first = records[0];
  for (const char* key : {"model", "task", "strategy", "doc_id", "doc_hash", "prompt_text", "prompt_tokens", "response", "thought",
                          "answer", "target", "extractor", "correct", "finish_reason", "loglikelihoods", "tokens", "cost",
                          "timing", "memory", "key"}) {
    EXPECT_TRUE(first.contains(key)) << key;
  }
  EXPECT_EQ(first["answer"], "B");
  EXPECT_EQ(first["target"], "B");
  EXPECT_EQ(first["correct"]["acc"], true);
  EXPECT_EQ(first["loglikelihoods"].size(), 4u);
  EXPECT_EQ(first["cost"]["prefill"]["class_a"], 20 * first["prompt_tokens"].size());
  EXPECT_EQ(first["cost"]["as_if_alone"]["prefill"]["tokens"], first["prompt_tokens"].size());
  EXPECT_TRUE(first["tokens"].contains("shared"));
  // acc_norm divides by characters, not bytes.
  EXPECT_EQ(records[1]["extractor"]["acc_norm"]["value"], "C");
}

TEST(Run, ATieIsNeverRight) {
  JobResult result;
  result.loglikelihoods = {-1, -1, -2};
  Doc doc;
  doc.choices = {"a", "bb", "c"};
  doc.gold = 0;
  const TaskRegistry registry;
  const Task& task = registry.find("arc_challenge");
  const std::vector<Reading> readings = read_answers(task, task.strategy("lm_eval"), doc, result, {});
  EXPECT_EQ(readings[0].correct, false);
  EXPECT_EQ(readings[0].rule, "tie");
  EXPECT_EQ(readings[0].value, "");
  EXPECT_EQ(readings[1].value, "B");  // acc_norm tells them apart
}

TEST(Run, AModelThatTellsNothingApartFailsTheSelfTest) {
  Bench bench;
  FakeBackend model;
  model.tie = true;
  EXPECT_THAT(fault_of([&] { bench.run_once(model, "arc_challenge", "lm_eval"); }), HasSubstr("self-test"));
}

TEST(Run, ReadsWrittenAnswersByEachChain) {
  Bench bench;
  FakeBackend model;
  model.replies = {{"12 eggs", "5*12 = 60\n#### 60"}, {"Lia", "With 250 a month that makes 12,000 dollars."}, {"pens", std::string(600, 'x')}};
  const Summary summary = bench.run_once(model, "gsm8k", "zero_shot");
  EXPECT_EQ(summary.finished, 3u);
  EXPECT_EQ(summary.truncated, 1u);
  EXPECT_EQ(summary.completed, 2u);
  ASSERT_EQ(summary.tallies[0].chain, "strict");
  EXPECT_EQ(summary.tallies[0].correct, 1u);
  EXPECT_EQ(summary.tallies[0].unparsed, 2u);
  EXPECT_EQ(summary.tallies[1].chain, "lenient");
  EXPECT_EQ(summary.tallies[1].correct, 2u);
  const std::vector<Json> records = bench.records();
  EXPECT_EQ(records[0]["extractor"]["strict"]["value"], "60");
  EXPECT_EQ(records[2]["finish_reason"], "length");
  EXPECT_EQ(records[2]["flags"]["hit_cap"], true);
  EXPECT_EQ(records[2]["correct"]["strict"], false);
}

TEST(Run, LmEvalStopsAndFiltersOnFewShotPrompts) {
  Bench bench;
  FakeBackend model;
  model.replies = {{"How many eggs are in 5 boxes?\nAnswer:", " 60\n#### 60\n\nQuestion: next\n#### 7"},
                   {"4 years?\nAnswer:", " so 12000 #### $12,000."}};
  const Summary summary = bench.run_once(model, "gsm8k", "lm_eval");
  EXPECT_EQ(summary.tallies[0].chain, "strict-match");
  EXPECT_EQ(bench.records()[0]["response"], " 60\n#### 60\n\n");
  EXPECT_EQ(bench.records()[0]["num_fewshot"], 5);
  EXPECT_EQ(summary.tallies[0].correct, 1u);
  EXPECT_EQ(summary.tallies[1].correct, 2u);  // flexible-extract takes the last number, $ and , ignored
  EXPECT_EQ(summary.empty, 1u);
}

TEST(Run, AFailedItemIsRecordedCountedAndTriedAgain) {
  Bench bench;
  FakeBackend model;
  model.replies = {{"12 eggs", "FAIL"}, {"Lia", "#### 12000"}, {"pens", "#### 6"}};
  Summary summary = bench.run_once(model, "gsm8k", "zero_shot");
  EXPECT_EQ(summary.failed, 1u);
  EXPECT_EQ(summary.tallies[0].scored, 2u);
  EXPECT_EQ(summary.first_error, "scripted failure");
  EXPECT_EQ(bench.records()[0]["finish_reason"], "error");
  EXPECT_EQ(bench.records()[0]["error"], "scripted failure");
  model.replies["12 eggs"] = "#### 60";
  model.ran = 0;
  summary = bench.run_once(model, "gsm8k", "zero_shot");
  EXPECT_EQ(model.ran, 1u);
  EXPECT_EQ(summary.reused, 2u);
  EXPECT_EQ(summary.failed, 0u);
  EXPECT_EQ(summary.tallies[0].correct, 3u);
}

TEST(Run, SettingsThatChangeTheOutputAreOtherItems) {
  Bench bench;
  FakeBackend model;
  model.replies = {{"12 eggs", "#### 60"}};
  bench.run_once(model, "gsm8k", "zero_shot");
  model.ran = 0;
  bench.run_once(model, "gsm8k", "zero_shot");
  EXPECT_EQ(model.ran, 0u);
  bench.options.extractors = {"lenient"};  // reads stored responses again
  EXPECT_EQ(bench.run_once(model, "gsm8k", "zero_shot").tallies.size(), 1u);
  EXPECT_EQ(model.ran, 0u);
  bench.options.max_tokens = 7;
  bench.run_once(model, "gsm8k", "zero_shot");
  EXPECT_EQ(model.ran, 3u);
  model.info_.kernels = "other";
  bench.run_once(model, "gsm8k", "zero_shot");
  EXPECT_EQ(model.ran, 6u);
  model.info_.threads = 7;  // changes no bit
  bench.run_once(model, "gsm8k", "zero_shot");
  EXPECT_EQ(model.ran, 6u);
}

// A batch's times must not stand in for a latency, nor the other way round.
TEST(Run, LatencyAndThroughputNeverShareARecord) {
  Bench bench;
  FakeBackend model;
  bench.run_once(model, "arc_challenge", "lm_eval");
  model.info_.mode = "latency";
  model.ran = 0;
  EXPECT_EQ(bench.run_once(model, "arc_challenge", "lm_eval").reused, 0u);
  EXPECT_EQ(model.ran, 3u);
  EXPECT_EQ(bench.run_once(model, "arc_challenge", "lm_eval").reused, 3u);
  EXPECT_EQ(bench.records()[0]["timing"]["mode"], "throughput");
  EXPECT_EQ(bench.records()[3]["timing"]["mode"], "latency");
}

TEST(Run, WhatIsNotTheStrategysOwnIsPartOfTheName) {
  Bench bench;
  FakeBackend model;
  const auto plain = bench.condition(model, "gsm8k", "zero_shot");
  EXPECT_EQ(plain->label, "gsm8k__zero_shot");
  bench.options.max_tokens = plain->strategy->max_tokens;
  EXPECT_EQ(bench.condition(model, "gsm8k", "zero_shot")->label, "gsm8k__zero_shot");
  bench.options.max_tokens = 7;
  EXPECT_EQ(bench.condition(model, "arc_challenge", "lm_eval")->label, "arc_challenge") << "nothing is written there";
  model.info_.router = {4, false};
  const auto changed = bench.condition(model, "gsm8k", "zero_shot");
  EXPECT_EQ(changed->label, "gsm8k__zero_shot__max_tokens_7__experts_4__not_renormalised");
  EXPECT_NE(changed->items[0].key, plain->items[0].key);
  bench.run_once(model, "gsm8k", "zero_shot");
  const Json record = bench.records()[0];
  EXPECT_EQ(record["variant"], "max_tokens_7__experts_4__not_renormalised");
  EXPECT_EQ(record["router"], Json({{"experts_per_token", 4}, {"renormalise", false}}));
  EXPECT_EQ(record["strategy"], "zero_shot");
}

// What else decides a reply: the ids that end it, and a window that may cut it.
TEST(Run, StopIdsAndATightWindowAreOtherItems) {
  Bench bench;
  FakeBackend model;
  model.info_.context = 100000;
  bench.run_once(model, "gsm8k", "zero_shot");
  model.info_.context = 90000;
  EXPECT_EQ(bench.run_once(model, "gsm8k", "zero_shot").reused, 3u);
  model.info_.context = 300;
  EXPECT_EQ(bench.run_once(model, "gsm8k", "zero_shot").reused, 0u);
  model.info_.stop_ids = {7};
  EXPECT_EQ(bench.run_once(model, "gsm8k", "zero_shot").reused, 0u);
}

// Weights, arithmetic and cache change likelihoods, and the name says which they were.
TEST(Run, OtherFormsAreOtherItems) {
  Bench bench;
  FakeBackend model;
  bench.run_once(model, "gsm8k", "zero_shot");
  model.info_.cache = "q8";
  model.info_.forms = "cache_q8";
  const Summary summary = bench.run_once(model, "gsm8k", "zero_shot");
  EXPECT_EQ(summary.reused, 0U);
  EXPECT_EQ(bench.run_once(model, "gsm8k", "zero_shot").reused, 3U);
  const std::vector<Json> records = bench.records();
  EXPECT_EQ(records[0]["env"]["cache"], "f32");
  EXPECT_EQ(records[3]["env"]["cache"], "q8");
  EXPECT_EQ(records[3]["variant"], "cache_q8");
}

TEST(Run, EnergyAddsUpAndIsAbsentWhereNotMeasured) {
  Bench bench;
  FakeBackend model;
  double joules = 10;
  RunHooks hooks;
  hooks.joules = [&]() -> std::optional<double> { return joules += 2; };
  const Summary measured = bench.run_once(model, "arc_challenge", "lm_eval", hooks);
  EXPECT_DOUBLE_EQ(measured.joules, 6);
  EXPECT_EQ(measured.with_energy, 3u);
  EXPECT_EQ(bench.records()[1]["energy"], Json({{"joules", 2.0}, {"source", "rapl"}}));
  EXPECT_DOUBLE_EQ(bench.run_once(model, "arc_challenge", "lm_eval").joules, 6) << "read back";
  hooks.joules = []() -> std::optional<double> { return std::nullopt; };
  EXPECT_EQ(bench.run_once(model, "gsm8k", "zero_shot", hooks).with_energy, 0u);
  EXPECT_FALSE(bench.records()[3].contains("energy"));
}

TEST(Run, AChangedModelFileIsRefusedWithTheReason) {
  Bench bench;
  FakeBackend model;
  bench.run_once(model, "arc_challenge", "lm_eval");
  model.info_.model_hash = "h2";
  const std::string said = fault_of([&] { bench.run_once(model, "arc_challenge", "lm_eval"); });
  EXPECT_THAT(said, HasSubstr("hash h1"));
  EXPECT_THAT(said, HasSubstr("changed files (hash h2)"));
}

TEST(Run, AForeignLineIsRefused) {
  Bench bench;
  FakeBackend model;
  std::ofstream(bench.journal_path()) << "{\"some\": \"thing\"}\n";
  EXPECT_THAT(fault_of([&] { bench.run_once(model, "arc_challenge", "lm_eval"); }), HasSubstr("line 1: expected a record of this program"));
}

// Nothing of a journal is taken for a number that it is not, nor for the answer to another question.
TEST(Run, AnEditedRecordIsRefusedOrItsItemRunsAgain) {
  Bench bench;
  FakeBackend model;
  bench.run_once(model, "arc_challenge", "lm_eval");
  const std::vector<Json> whole = bench.records();
  ASSERT_EQ(whole.size(), 3u);
  const auto run_edited = [&](auto edit) {
    std::ofstream file(bench.journal_path(), std::ios::trunc);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      Json record = whole[i];
      if (i == 1) edit(record);
      file << line_dump(record) << '\n';
    }
    file.close();
    return bench.run_once(model, "arc_challenge", "lm_eval");
  };
  EXPECT_EQ(run_edited([](Json&) {}).reused, 3u);
  const auto fault = [&](auto edit) { return fault_of([&] { run_edited(edit); }); };
  EXPECT_THAT(fault([](Json& r) { r["tokens"]["prompt"] = -1; }), HasSubstr("line 2: expected a record of this program, found -1 where a count belongs"));
  EXPECT_THAT(fault([](Json& r) { r["cost"]["prefill"]["kv_bytes"] = 1e300; }), HasSubstr("found 1e+300 where a count belongs"));
  EXPECT_THAT(fault([](Json& r) { r["cost"]["decode"]["tokens"] = std::uint64_t{1} << 31; }), HasSubstr("found 2147483648 where"));
  EXPECT_THAT(fault([](Json& r) { r["loglikelihoods"][0] = "high"; }), HasSubstr("found the string \"high\" where a number belongs"));
  EXPECT_THAT(fault([](Json& r) { r["loglikelihoods"] = Json::array(); }), HasSubstr("found 0 loglikelihoods beside 3"));
  const Summary again = run_edited([](Json& r) {
    r["loglikelihoods"] = {-1.0, -2.0};
    r["is_greedy"] = {true, false};
  });
  EXPECT_EQ(again.reused, 2u);
  EXPECT_EQ(again.finished, 3u);
}

// What must not differ between a run in one go and one in pieces.
std::string essence(const Bench& bench) {
  std::map<std::string, std::string> lines;
  for (Json record : bench.records()) {
    record.erase("timing");
    record.erase("memory");
    record.erase("time");
    lines[record["key"].get<std::string>()] = record.dump();
  }
  std::string out;
  for (const auto& [key, line] : lines) out += line + "\n";
  return out;
}

// Dies by SIGKILL after `survive` items.
class DyingBackend : public FakeBackend {
 public:
  explicit DyingBackend(std::size_t survive) : survive_(survive) {}
  JobResult score(const ScoreJob& job) override {
    if (ran > survive_) ::kill(::getpid(), SIGKILL);
    return FakeBackend::score(job);
  }

 private:
  std::size_t survive_;
};

TEST(Run, ResumesAfterSigkillAtEveryItemWithTheSameResults) {
  Bench whole;
  FakeBackend model;
  whole.run_once(model, "arc_challenge", "lm_eval");
  const std::string expected = essence(whole);
  for (std::size_t survive = 0; survive < 3; ++survive) {
    Bench bench;
    bench.options.data = whole.options.data;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      DyingBackend dying(survive);
      bench.run_once(dying, "arc_challenge", "lm_eval");
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    // And the kill came in the middle of writing a record.
    std::ofstream(bench.journal_path(), std::ios::app) << R"({"model": "fake/mod)";
    FakeBackend again;
    const Summary summary = bench.run_once(again, "arc_challenge", "lm_eval");
    EXPECT_EQ(summary.reused, survive);
    EXPECT_EQ(again.ran, 3 - survive);
    EXPECT_EQ(summary.finished, 3u);
    EXPECT_EQ(essence(bench), expected);
  }
}

TEST(Run, AFullDiskEndsTheRunClearlyAndLosesNothing) {
  Bench bench;
  FakeBackend model;
  bench.options.limit = 1;
  bench.run_once(model, "arc_challenge", "lm_eval");
  bench.options.limit.reset();
  const auto size = std::filesystem::file_size(bench.journal_path());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {size + 100, size + 100};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 1;
    try {
      bench.run_once(model, "arc_challenge", "lm_eval");
    } catch (const Error& error) {
      code = error.kind() == ErrorKind::io && std::string(error.what()).find("File too large") != std::string::npos ? 0 : 2;
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(std::filesystem::file_size(bench.journal_path()), size);
  EXPECT_EQ(bench.run_once(model, "arc_challenge", "lm_eval").reused, 1u);
}

TEST(Run, InterruptionKeepsWhatIsDone) {
  Bench bench;
  FakeBackend model;
  RunHooks hooks;
  hooks.interrupted = [&] { return model.ran >= 2; };
  const Summary summary = bench.run_once(model, "arc_challenge", "lm_eval", hooks);
  EXPECT_TRUE(summary.interrupted);
  EXPECT_EQ(summary.finished, 2u);
  EXPECT_EQ(bench.records().size(), 2u);
}

TEST(Run, LimitItemsAndTheirFaults) {
  Bench bench;
  FakeBackend model;
  bench.options.items = {{2, ""}, {0, ""}};
  EXPECT_EQ(bench.run_once(model, "arc_challenge", "lm_eval").finished, 2u);
  EXPECT_EQ(bench.records()[0]["doc_id"], 2);
  bench.options.items = {{3, ""}};
  EXPECT_THAT(fault_of([&] { bench.run_once(model, "arc_challenge", "lm_eval"); }), HasSubstr("ids below 3"));
  bench.options.items.clear();
  bench.options.extractors = {"strickt"};
  EXPECT_THAT(fault_of([&] { bench.run_once(model, "gsm8k", "zero_shot"); }), HasSubstr("strickt"));
}

TEST(Run, ALikelihoodThatIsNoNumberIsAFailedItem) {
  class Broken : public FakeBackend {
    JobResult score(const ScoreJob& job) override {
      JobResult result = FakeBackend::score(job);
      result.loglikelihoods[1] = NAN;
      return result;
    }
  };
  Bench bench;
  Broken model;
  EXPECT_EQ(bench.run_once(model, "arc_challenge", "lm_eval").failed, 3u);
}

TEST(Results, AreInLmEvalsLayout) {
  Bench bench;
  FakeBackend model;
  model.replies = {{"12 eggs", "#### 60"}, {"Lia", "FAIL"}, {"pens", "none"}};
  const auto arc = bench.condition(model, "arc_challenge", "lm_eval");
  const auto gsm8k = bench.condition(model, "gsm8k", "zero_shot");
  RunJournal journal(bench.journal_path(), nullptr);
  std::vector<FinishedCondition> finished(2);
  finished[0].condition = arc.get();
  finished[0].summary = run(*arc, model, journal, {}, finished[0].outcomes);
  finished[1].condition = gsm8k.get();
  finished[1].summary = run(*gsm8k, model, journal, {}, finished[1].outcomes);
  const std::string directory = model_directory(bench.directory / "out", model.info().model);
  EXPECT_THAT(directory, HasSubstr("out/fake__model"));
  prepare_directory(directory);
  ResultOptions options;
  options.seconds = 1.5;
  const std::string path = write_results(directory, finished, model.info(), options);
  const Json all = parse_json(read_all(path), path, "");
  EXPECT_DOUBLE_EQ(all["results"]["arc_challenge"]["acc,none"].get<double>(), 2.0 / 3);
  EXPECT_TRUE(all["results"]["arc_challenge"].contains("acc_norm_stderr,none"));
  EXPECT_DOUBLE_EQ(all["results"]["gsm8k__zero_shot"]["exact_match,strict"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(all["results"]["arc_challenge"]["acc_stderr,none"].get<double>(), 1.0 / 3) << "as lm_eval: sample deviation over sqrt(3)";
  EXPECT_EQ(all["n-samples"]["gsm8k__zero_shot"]["effective"], 2);
  EXPECT_EQ(all["total_evaluation_time_seconds"], "1.5");
  EXPECT_EQ(all["moe"]["tasks"]["gsm8k__zero_shot"]["failed"], 1);
  std::size_t samples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("samples_arc_challenge_", 0) != 0) continue;
    ++samples;
    const std::string text = read_all(entry.path().string());
    const Json first = parse_json(text.substr(0, text.find('\n')), name, "");
    EXPECT_EQ(first["target"], "1");
    EXPECT_EQ(first["filter"], "none");
    EXPECT_EQ(first["metrics"], Json({"acc", "acc_norm"}));
    EXPECT_EQ(first["resps"][0][0][1], "False");
    EXPECT_EQ(first["arguments"]["gen_args_1"]["arg_1"], " an ice cube");
    EXPECT_EQ(first["doc"]["answerKey"], "B");
  }
  EXPECT_EQ(samples, 1u);
}

// As lm_eval has repeats: one line a document and filter, all responses in it.
TEST(Results, SamplesOfADocumentStandInOneLine) {
  class Alternating : public FakeBackend {
   public:
    void run(std::span<const Job> jobs, const std::function<void(std::size_t, JobResult)>& done, const std::function<bool()>& interrupted) override {
      FakeBackend::run(jobs, [&](std::size_t index, JobResult result) {
        result.response = result.answer = index % 4 == 0 ? "#### 60" : "#### 1";
        done(index, std::move(result));
      }, interrupted);
    }
  };
  Bench bench;
  Alternating model;
  bench.options.repeats = 4;
  bench.options.sampling.temperature = 1;
  const auto gsm8k = bench.condition(model, "gsm8k", "zero_shot");
  RunJournal journal(bench.journal_path(), nullptr);
  std::vector<FinishedCondition> finished(1);
  finished[0].condition = gsm8k.get();
  finished[0].summary = run(*gsm8k, model, journal, {}, finished[0].outcomes);
  prepare_directory(bench.directory / "out");
  const std::string path = write_results(bench.directory / "out", finished, model.info(), {});
  const Json all = parse_json(read_all(path), path, "");
  EXPECT_EQ(all["n-samples"]["gsm8k__zero_shot"]["effective"], 3);
  EXPECT_DOUBLE_EQ(all["results"]["gsm8k__zero_shot"]["exact_match,strict"].get<double>(), 0.25 / 3) << "one of four samples of one item";
  for (const auto& entry : std::filesystem::directory_iterator(bench.directory / "out")) {
    if (entry.path().filename().string().rfind("samples_", 0) != 0) continue;
    const std::string text = read_all(entry.path().string());
    EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), 3 * gsm8k->extractors.size());
    const Json first = parse_json(text.substr(0, text.find('\n')), "samples", "");
    EXPECT_EQ(first["resps"], Json::array({Json::array({"#### 60", "#### 1", "#### 1", "#### 1"})}));
    EXPECT_EQ(first["filtered_resps"], Json({"60", "1", "1", "1"}));
    EXPECT_EQ(first["exact_match"], 0.25);
  }
}

TEST(Results, AnUnwritableDirectoryIsSaidFirst) {
  EXPECT_THAT(fault_of([] { prepare_directory("/proc/no"); }), HasSubstr("/proc/no"));
}

}  // namespace
}  // namespace moe::eval
