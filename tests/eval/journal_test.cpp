// The journal: what was appended survives crashes, full disks and second processes.
#include "eval/journal/journal.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <csignal>

#include "tests/eval/fixtures.h"

namespace moe::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::fault_of;
using testing::read_all;
using testing::TempDir;

std::vector<std::string> lines_in(const std::string& path) {
  std::vector<std::string> lines;
  const Journal journal(path, [&](std::string_view line, std::size_t) { lines.emplace_back(line); });
  return lines;
}

TEST(Journal, KeepsLinesInOrder) {
  const TempDir directory;
  const std::string path = directory / "journal.jsonl";
  {
    Journal journal(path, [](std::string_view, std::size_t) { FAIL(); });
    journal.append("one");
    journal.append("two");
    EXPECT_EQ(read_all(path), "one\ntwo\n");
  }
  EXPECT_THAT(lines_in(path), ElementsAre("one", "two"));
}

TEST(Journal, FlushesBehindTheWriter) {
  const TempDir directory;
  Journal journal(directory / "journal.jsonl", [](std::string_view, std::size_t) {});
  journal.flush();
  for (int i = 0; i < 200; ++i) journal.append("line");
  journal.flush();
  EXPECT_EQ(read_all(journal.path()).size(), 1000u);
}

TEST(Journal, CutsAnUnfinishedLastLineAtEveryByte) {
  const TempDir directory;
  const std::string path = directory / "journal.jsonl", whole = "{\"a\":1}\n{\"b\":2}\n";
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    directory.write("journal.jsonl", whole.substr(0, length));
    const std::size_t kept = length < 8 ? 0 : length < 16 ? 8 : 16;
    {
      Journal journal(path, [](std::string_view, std::size_t) {});
      EXPECT_EQ(journal.dropped_bytes(), length - kept);
      journal.append("{\"c\":3}");
    }
    EXPECT_EQ(read_all(path), whole.substr(0, kept) + "{\"c\":3}\n");
  }
}

TEST(Journal, ALineItsReaderRefusesLeavesTheFileAlone) {
  const TempDir directory;
  const std::string path = directory.write("notes.txt", "my notes\nunfinished");
  EXPECT_THROW(Journal(path, [](std::string_view, std::size_t number) {
                 throw Error(ErrorKind::format, Fault{"notes.txt", "line", "a record", std::to_string(number)});
               }),
               Error);
  EXPECT_EQ(read_all(path), "my notes\nunfinished");
}

TEST(Journal, RefusesASecondWriter) {
  const TempDir directory;
  const std::string path = directory / "journal.jsonl";
  const Journal first(path, [](std::string_view, std::size_t) {});
  EXPECT_THAT(fault_of([&] { Journal(path, [](std::string_view, std::size_t) {}); }),
              HasSubstr("no other run that writes here, found another process has it open"));
}

TEST(Journal, SaysWhyItCannotBeOpened) {
  const TempDir directory;
  EXPECT_THAT(fault_of([&] { Journal(directory / "no/such/file", [](std::string_view, std::size_t) {}); }),
              HasSubstr("No such file or directory"));
  EXPECT_THAT(fault_of([&] { Journal(directory.path(), [](std::string_view, std::size_t) {}); }),
              HasSubstr("Is a directory"));
  EXPECT_THAT(fault_of([&] { Journal("/dev/full", [](std::string_view, std::size_t) {}); }), HasSubstr("a regular file"));
}

// A limit on the file's size stands for a full disk: a record is written in part, then refused.
TEST(Journal, AFullDiskLosesNothing) {
  const TempDir directory;
  const std::string path = directory / "journal.jsonl";
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {100, 100};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 1;
    try {
      Journal journal(path, [](std::string_view, std::size_t) {});
      journal.append(std::string(60, 'a'));
      try {
        journal.append(std::string(60, 'b'));
      } catch (const Error& error) {
        journal.append(std::string(20, 'c'));  // what fits still goes in
        code = std::string(error.what()).find("all records before it are kept") == std::string::npos ? 2 : 0;
      }
    } catch (...) {
      code = 3;
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_THAT(lines_in(path), ElementsAre(std::string(60, 'a'), std::string(20, 'c')));
}

}  // namespace
}  // namespace moe::eval
