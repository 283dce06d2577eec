// moe-tokenize as a process: its JSON lines, its plain output, and its exit codes.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

using nlohmann::json;

struct Outcome {
  int code;
  std::string out, err;
};

class MoeTokenize : public testing::Test {
 protected:
  std::string path(const char* name) const { return (folder_.path() / name).string(); }
  void write(const char* name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  std::string read(const char* name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // `arguments` are the shell's; the folder is its working directory.
  Outcome run(const std::string& arguments, const std::string& input) const {
    write("stdin", input);
    const int status =
        std::system(("cd '" + folder_.path().string() + "' && '" + test::program("moe-tokenize") + "' " +
                     arguments + " < stdin > stdout 2> stderr")
                        .c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read("stdout"), read("stderr")};
  }

  void SetUp() override {
    const json token = {{"id", 1},         {"content", "<s>"},    {"single_word", false}, {"lstrip", false},
                        {"rstrip", false}, {"normalized", false}, {"special", true}};
    json whole;
    whole["added_tokens"] = json::array({token});
    whole["model"] = {{"type", "WordLevel"},
                      {"unk_token", "?"},
                      {"vocab", {{"?", 0}, {"<s>", 1}, {"one", 2}, {"t\u00e9", 3}, {"\xef\xbf\xbd", 4}}}};
    whole["pre_tokenizer"] = {{"type", "WhitespaceSplit"}};
    whole["post_processor"] = json::parse(R"({"type": "TemplateProcessing", "pair": [],
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}})");
    write("tokenizer.json", whole.dump());
  }

  const test::TempDir folder_;
};

TEST_F(MoeTokenize, AnswersEachLine) {
  const Outcome outcome = run(". --json", "\"one t\\u00e9\"\n\"\"\n\"<s>x\\u2028\"\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  std::istringstream lines(outcome.out);
  std::vector<json> answers;
  for (std::string line; std::getline(lines, line);) answers.push_back(json::parse(line));
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0], json::parse(R"({"ids": [1, 2, 3], "pieces": ["<s>", "one", "t\u00e9"]})"));
  EXPECT_EQ(answers[1]["ids"], json::parse("[1]"));
  EXPECT_EQ(answers[2]["ids"], json::parse("[1, 1, 0]"));
}

TEST_F(MoeTokenize, ReadsTextThatIsNoUnicode) {
  const json replaced = json::parse(R"({"ids": [1, 4], "pieces": ["<s>", "\ufffd"]})");
  for (const char* line : {"\"\xff\"", "\"\xe2\x82\"", "\"\\ud800\"", "\"\\ufffd\""})
    EXPECT_EQ(json::parse(run(". --json", std::string(line) + "\n").out), replaced) << line;
  EXPECT_EQ(json::parse(run(". --json", "\"one\\u0000 one\"").out)["ids"], json::parse("[1, 0, 2]"));
  const std::string megabytes(std::size_t{8} << 20, 'x');
  EXPECT_EQ(json::parse(run(". --json", "\"" + megabytes + " one\"").out)["ids"], json::parse("[1, 0, 2]"));
}

TEST_F(MoeTokenize, WithoutSpecialTokensAndBack) {
  EXPECT_EQ(json::parse(run("tokenizer.json --json --no-special", "\"<s> one\"").out)["ids"],
            json::parse("[1, 2]"));
  const Outcome back = run(". --json --decode", "[1, 2, 3]\n[]\n");
  EXPECT_EQ(back.out, "{\"text\":\"<s> one t\\u00e9\"}\n{\"text\":\"\"}\n");
}

TEST_F(MoeTokenize, TellsAPersonPiecesAndCounts) {
  const Outcome outcome = run(".", "one two");
  EXPECT_NE(outcome.out.find("2  \"one\""), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("3 tokens, 7 bytes"), std::string::npos) << outcome.out;
  EXPECT_EQ(run(". --decode", "[2, 3]").out, "one t\u00e9\n");
  EXPECT_EQ(run(". --decode", "2 3").out, "one t\u00e9\n");
}

TEST_F(MoeTokenize, FailsInOneLine) {
  for (const auto& [arguments, input] :
       std::vector<std::pair<std::string, std::string>>{{"nowhere", ""},
                                                        {". --json", "one\n"},
                                                        {". --json", "7\n"},
                                                        {". --json --decode", "[1, -2]\n"},
                                                        {". --json --decode", "\"x\"\n"},
                                                        {". --decode", "1 x"}}) {
    const Outcome outcome = run(arguments, input);
    EXPECT_EQ(outcome.code, 1) << arguments << " " << input;
    EXPECT_EQ(outcome.err.rfind("moe-tokenize: error: ", 0), 0u) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  EXPECT_EQ(run("", "").code, 2);
  EXPECT_EQ(run(". --what", "").code, 2);
  const Outcome help = run("--help", "");
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("--no-special"), std::string::npos);
}

}  // namespace
}  // namespace moe
