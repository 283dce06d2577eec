// moe-eval grade from outside: its rows, its table, its exit codes.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/paths.h"

namespace {

namespace fs = std::filesystem;

struct Ran {
  int code = -1;
  std::string out, err;
};

class Grade : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("moe_grade_" + std::string(info->name()) + "_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return (folder_ / name).string();
  }

  Ran run(const std::string& arguments) const {
    const fs::path errors = folder_ / "stderr";
    const std::string line =
        moe::test::program("moe-eval") + " grade " + arguments + " 2>" + errors.string();
    Ran ran;
    FILE* pipe = popen(line.c_str(), "r");
    std::array<char, 4096> buffer{};
    while (const std::size_t got = fread(buffer.data(), 1, buffer.size(), pipe))
      ran.out.append(buffer.data(), got);
    const int status = pclose(pipe);
    ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    std::stringstream text;
    text << std::ifstream(errors).rdbuf();
    ran.err = text.str();
    return ran;
  }

  std::string study() const {
    return write("study.csv",
                 "dataset_name,strategy,sample_id,gold_answer,response_text\n"
                 "arc_challenge,orig_cot,4,B,\"It is a dog.\n#### B\"\n"
                 "gsm8k,orig_cot,5,\"x\n#### 1,000\",\"so\n#### 1000.0\"\n"
                 "math_l1_l3,orig_cot,6,\\frac12,$\\boxed{0.5}$\n"
                 "math_l1_l3,orig_cot,7,\\odd,\\boxed{\\even}\n");
  }

  fs::path folder_;
};

TEST_F(Grade, OneJsonObjectARow) {
  const Ran ran = run(study() + " --extractor study-v1,strict --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  std::vector<nlohmann::json> rows;
  std::stringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);) rows.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0],
            (nlohmann::json{{"id", "4"},
                            {"task", "arc_challenge"},
                            {"strategy", "orig_cot"},
                            {"gold", "B"},
                            {"study-v1", {{"value", "A"}, {"rule", "first-letter"}, {"correct", false}}},
                            {"strict", {{"value", "B"}, {"rule", "hash"}, {"correct", true}}}}));
  EXPECT_EQ(rows[1]["strict"]["correct"], true);
  EXPECT_EQ(rows[1]["study-v1"]["correct"], false);  // it compares text: 1000.0 is not 1000
  EXPECT_EQ(rows[2]["strict"]["correct"], true);
  EXPECT_TRUE(rows[3]["strict"]["correct"].is_null());  // undecided
}

TEST_F(Grade, TableCountsWhatWasNotRead) {
  const Ran ran = run(study() + " --extractor study-final,lenient");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("accuracy"), std::string::npos);
  EXPECT_NE(ran.out.find("undecided"), std::string::npos);
  EXPECT_NE(ran.out.find("50.00%"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("100.00%"), std::string::npos) << ran.out;
}

TEST_F(Grade, BadFilesFailInOneLineAndBadFlagsAreUsage) {
  const auto one_line = [](const Ran& ran) {
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err.rfind("moe-eval: error: ", 0), 0U) << ran.err;
    EXPECT_EQ(ran.err.find('\n'), ran.err.size() - 1) << ran.err;
  };
  for (const std::string& file : {(folder_ / "absent.csv").string(), folder_.string(), write("empty", ""),
                                  write("bad.jsonl", "{\"a\"\n"), write("columns.csv", "a,b\n1,2\n"),
                                  write("bytes", std::string("\x1f\x8b\x08\x00", 4))}) {
    const Ran ran = run(file + " --json");
    EXPECT_EQ(ran.code, 1) << file;
    one_line(ran);
  }
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run(study() + " --extractor nothing").code, 2);
  EXPECT_EQ(run(study() + " --extractor ,").code, 2);
  EXPECT_EQ(run(study() + " --kind letters").code, 2);
  EXPECT_EQ(run("--help").code, 0);
}

}  // namespace
