// moe-convert run as a process: exit codes, what it prints, a full disk, signals.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "tests/engine/convert/support.h"
#include "tests/support/paths.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;  // -1: ended by a signal
  std::string out, err;
};

// A child process with its output in files of `folder`; `prepare` runs in the child before the program
// starts.
class Child {
 public:
  Child(const fs::path& folder, std::vector<std::string> args, void (*prepare)() = nullptr)
      : out_(folder / "stdout"), err_(folder / "stderr") {
    args.insert(args.begin(), test::program("moe-convert"));
    std::vector<char*> pointers;
    for (std::string& arg : args) pointers.push_back(arg.data());
    pointers.push_back(nullptr);
    const std::string out = out_.string();
    const std::string err = err_.string();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(open(out.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), STDOUT_FILENO);
      dup2(open(err.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), STDERR_FILENO);
      if (prepare != nullptr) prepare();
      execv(pointers[0], pointers.data());
      _exit(127);
    }
  }
  void signal(int number) const { kill(pid_, number); }
  Outcome wait() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, testing::read_text(out_), testing::read_text(err_)};
  }

 private:
  fs::path out_, err_;
  pid_t pid_ = -1;
};

Outcome run(const fs::path& folder, const std::vector<std::string>& args, void (*prepare)() = nullptr) {
  return Child(folder, args, prepare).wait();
}

std::string fixture(const char* name) { return (testing::data_folder() / name).string(); }

void expect_one_error_line(const Outcome& outcome) {
  EXPECT_EQ(outcome.err.rfind("moe-convert: error: ", 0), 0u) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

TEST(MoeConvert, ConvertsAndSaysSoOnStderr) {
  const testing::TempDir folder;
  const std::string out = (folder / "out").string();
  const Outcome outcome =
      run(folder.path(), {fixture("qwen3.gguf"), out, "--upcycle", "4:2", "--dtype", "bf16"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("tensors -> " + out), std::string::npos) << outcome.err;
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                           "special_tokens_map.json", "generation_config.json"}) {
    EXPECT_TRUE(fs::exists(fs::path(out) / name)) << name;
  }
  const Outcome quiet = run(folder.path(), {out, (folder / "again").string(), "-q"});
  EXPECT_EQ(quiet.code, 0) << quiet.err;
  EXPECT_EQ(quiet.err, "");
  EXPECT_EQ(testing::read_text(folder / "again/config.json"), testing::read_text(folder / "out/config.json"));
}

TEST(MoeConvert, HelpTeaches) {
  const testing::TempDir folder;
  const Outcome help = run(folder.path(), {"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* word : {"GGUF", "llama2.c", "--upcycle", "Q4_K", "leaves nothing behind", "Exit codes"}) {
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
  }
  EXPECT_EQ(run(folder.path(), {"--version"}).out.rfind("moe-convert ", 0), 0u);
}

TEST(MoeConvert, WrongUsageGivesTwo) {
  const testing::TempDir folder;
  const std::string out = (folder / "out").string();
  const std::string in = fixture("qwen3.gguf");
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{},
                                             {in},
                                             {in, out, "extra"},
                                             {in, out, "--dtype", "f16"},
                                             {in, out, "--upcycle", "2"},
                                             {in, out, "--upcycle", "2:3"},
                                             {in, out, "--upcycle", "0:0"},
                                             {in, out, "--upcycle", "2:1x"},
                                             {in, out, "--upcycle", "9999:1"},
                                             {in, out, "--seed", "-1"},
                                             {in, out, "--nonsense"},
                                             {in, folder.path().string()},
                                             {in, in},
                                             {in, out, "--tokenizer", in}}) {
    testing::write_text(folder / "occupied", "");
    const Outcome outcome = run(folder.path(), args);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.err.rfind("moe-convert: error: ", 0), 0u) << outcome.err;
    EXPECT_FALSE(fs::exists(out));
  }
}

TEST(MoeConvert, FailuresGiveOneAndLeaveNothing) {
  const testing::TempDir folder;
  const std::string out = (folder / "a/b/out").string();
  const std::string gguf = testing::read_text(fixture("qwen3.gguf"));
  testing::write_text(folder / "cut.gguf", gguf.substr(0, gguf.size() / 2));
  testing::write_text(folder / "empty.gguf", "");
  testing::write_text(folder / "text.bin", "this is no checkpoint, though it is long enough for a header");
  fs::create_directory(folder / "directory");
  struct Row {
    std::vector<std::string> args;
    const char* part;
  };
  const std::vector<Row> table = {
      {{(folder / "cut.gguf").string(), out}, "cut.gguf"},
      {{(folder / "empty.gguf").string(), out}, "empty.gguf"},
      {{(folder / "text.bin").string(), out}, "llama2.c"},
      {{(folder / "directory").string(), out}, "config.json"},
      {{(folder / "stdout").string(), out}, "stdout"},
      {{(folder / "absent.gguf").string(), out}, "nothing of that name"},
      {{"absent/model", out}, "absent/model"},
      {{fixture("gemma3.gguf"), out, "--upcycle", "2:1"}, "gemma3_text"},
      {{fixture("qwen3.gguf"), "/proc/nowhere/out"}, "/proc/nowhere"},
  };
  for (const Row& row : table) {
    const Outcome outcome = run(folder.path(), row.args);
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    expect_one_error_line(outcome);
    EXPECT_NE(outcome.err.find(row.part), std::string::npos) << outcome.err;
    EXPECT_FALSE(fs::exists(folder / "a"));
  }
}

TEST(MoeConvert, AFullDiskLeavesNothing) {
  const testing::TempDir folder;
  // A limit on the size of files fails writes as a full disk does.
  const Outcome outcome = run(folder.path(), {fixture("llama_types.gguf"), (folder / "out").string()}, [] {
    const rlimit limit{20000, 20000};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
  });
  EXPECT_EQ(outcome.code, 1);
  expect_one_error_line(outcome);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(MoeConvert, SignalsLeaveNothing) {
  const testing::TempDir folder;
  // A gigabyte of zeros that takes no room: long enough to be interrupted.
  testing::Bytes header;
  for (const std::int32_t n : {2048, 8192, 4, 16, 16, 3, 2}) header.number(n);
  testing::write_text(folder / "big.bin", header.text());
  const std::uintmax_t layer = 2 * 2048 + 4 * 2048 * 2048 + 3 * 2048 * 8192;
  fs::resize_file(folder / "big.bin", 28 + 4 * (3 * 2048 + 4 * layer + 2048 + 2 * 2 * 64));
  testing::Bytes tokenizer;
  tokenizer.u32(7);
  for (const std::string token : {"<unk>", "<s>", "</s>"}) tokenizer.f32(0).u32(token.size()).raw(token);
  testing::write_text(folder / "t.bin", tokenizer.text());
  if (fs::space(folder.path()).available < (std::uintmax_t{3} << 30))
    GTEST_SKIP() << "less than 3 GB free for temporary files";
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    const Child child(folder.path(), {(folder / "big.bin").string(), (folder / "out").string()});
    for (int i = 0; i < 2000 && !fs::exists(folder / "out"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    child.signal(number);
    const Outcome outcome = child.wait();
    EXPECT_EQ(outcome.code, 130) << outcome.err;
    EXPECT_NE(outcome.err.find("interrupted"), std::string::npos) << outcome.err;
    EXPECT_FALSE(fs::exists(folder / "out"));
  }
}

}  // namespace
}  // namespace moe
