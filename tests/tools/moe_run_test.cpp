// moe-run as a process: what goes to which stream, and that ways of saying the same thing give the same thing.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/broken_inputs.h"

namespace moe::test {
namespace {

using nlohmann::json;
using Args = std::vector<std::string>;

class MoeRun : public testing::Test {
 protected:
  MoeRun() { copy_text_model(folder_ / "model"); }

  Outcome run(const Args& more, const std::string& input = "") {
    Args args = {"-m", "model", "--temp", "0"};
    if (std::ranges::find(more, "-t") == more.end()) args.insert(args.end(), {"-t", "1"});
    args.insert(args.end(), more.begin(), more.end());
    return run_command({"moe-run", args, input, {}, "", 0}, folder_.path());
  }
  json run_json(Args more, const std::string& input = "") {
    more.push_back("--json");
    const Outcome outcome = run(more, input);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  }

  TempDir folder_;
};

TEST_F(MoeRun, TextGoesToStdoutAndTheSummaryToStderr) {
  const Outcome outcome = run({"-p", "hello", "-n", "12", "--ignore-eos"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json told = run_json({"-p", "hello", "-n", "12", "--ignore-eos"});
  EXPECT_EQ(outcome.out, told["text"].get<std::string>() + "\n");
  std::size_t at = 0;
  for (const std::string& part : std::vector<std::string>{"load  ", " in memory; kernels ", "1 thread,", "\nprompt ", "tokens/s", "GB/s", "GFLOP/s", "\ndecode ",
                                 "\nFLOPs    prompt: ", " a token\n", "\nFLOPs    decode: ", "\noutput   12 new tokens (length), the first after ",
                                 "\nmemory   ", "last logits " + told["env"]["logits_hash"].get<std::string>()}) {
    at = outcome.err.find(part, at);
    ASSERT_NE(at, std::string::npos) << "no \"" << part << "\" in its place in: " << outcome.err;
  }
}

TEST_F(MoeRun, NothingIsWrittenWhereNothingWasAsked) {
  const Outcome outcome = run({"-p", "hello", "-n", "0"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

TEST_F(MoeRun, APromptIsTheSameWhereverItComesFrom) {
  const json expected = run_json({"-p", "one two three", "-n", "6"});
  folder_.write("prompt.txt", "one two three\n");
  folder_.write("ids.json", expected["prompt_ids"].dump());
  for (const auto& [flags, input] : {std::pair<Args, std::string>{{"-f", "prompt.txt"}, ""}, {{}, "one two three\n"}, {{"--prompt-ids", "ids.json"}, ""},
                                     {{"-p", "one two three", "--chunk", "1"}, ""}, {{"-p", "one two three", "-t", "2"}, ""}}) {
    Args args = flags;
    args.insert(args.end(), {"-n", "6"});
    const json got = run_json(args, input);
    EXPECT_EQ(got["output_ids"], expected["output_ids"]);
    EXPECT_EQ(got["env"]["logits_hash"], expected["env"]["logits_hash"]);
  }
}

TEST_F(MoeRun, LogprobsNameTheTokenAndItsRivals) {
  const json out = run_json({"-p", "hello", "-n", "3", "--ignore-eos", "--logprobs", "4"});
  ASSERT_EQ(out["logprobs"].size(), 3U);
  for (const json& token : out["logprobs"]) {
    ASSERT_EQ(token["top"].size(), 4U);
    EXPECT_EQ(token["top"][0]["id"], token["id"]);  // greedy
    EXPECT_EQ(token["top"][0]["logprob"], token["logprob"]);
    EXPECT_LE(token["logprob"], 0.0);
    for (int i = 1; i < 4; ++i) EXPECT_GE(token["top"][i - 1]["logprob"], token["top"][i]["logprob"]);
  }
}

TEST_F(MoeRun, AStopTextEndsTheAnswerBeforeItself) {
  const std::string whole = run_json({"-p", "hello", "-n", "24", "--ignore-eos"})["text"];
  ASSERT_GT(whole.size(), 6U);
  std::size_t at = whole.size() / 2;
  while ((static_cast<unsigned char>(whole[at]) & 0xc0) == 0x80) ++at;  // at a character's start
  const std::string stop = whole.substr(at, 5);
  const json out = run_json({"-p", "hello", "-n", "24", "--ignore-eos", "--stop", stop});
  EXPECT_EQ(out["text"], whole.substr(0, whole.find(stop)));
  EXPECT_EQ(out["finish_reason"], "stop");
}

TEST_F(MoeRun, LogitsOfEveryTokenAreDumped) {
  const json out = run_json({"-p", "hello there", "-n", "3", "--ignore-eos", "--dump-logits", "logits.npy"});
  const std::string bytes = read_all(folder_ / "logits.npy");
  const std::size_t rows = out["prompt_ids"].size() + 2;  // the last new token is not read
  EXPECT_EQ(bytes.substr(1, 5), "NUMPY");
  EXPECT_NE(bytes.find("'shape': (" + std::to_string(rows) + ", "), std::string::npos) << bytes.substr(0, 128);
}

TEST_F(MoeRun, CtrlCStopsWithASummary) {
  // Ctrl-C as soon as the first text is there.
  const std::string command = "cd '" + folder_.path().string() + "' && { '" + program("moe-run") +
                              "' -m model -p hello -n -1 -c 100000000 --ignore-eos -t 1 >out 2>err & "
                              "until [ -s out ] || ! kill -0 $!; do sleep 0.02; done; kill -INT $!; wait $!; }";
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  const std::string err = read_all(folder_ / "err");
  EXPECT_NE(err.find(" new tokens (interrupted)"), std::string::npos) << err;
  EXPECT_NE(err.find("last logits"), std::string::npos) << err;
}

}  // namespace
}  // namespace moe::test
