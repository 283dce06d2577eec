// Reading, mapping and writing files: what is no ordinary file, full disks, and leaving nothing behind.
#include "engine/base/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>

#include "engine/base/atomic_file.h"
#include "engine/base/mapped_file.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

using test::expect_error;
using test::read_all;
using test::TempDir;

TEST(Files, WhatIsNoOrdinaryFileIsNamed) {
  const TempDir folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const auto& open : {+[](const std::filesystem::path& p) { read_file(p, 100); },
                           +[](const std::filesystem::path& p) { MappedFile::open(p); }}) {
    expect_error(ErrorKind::io, {"nothing", "expected a file", "found No such file"},
                 [&] { open(folder / "nothing"); });
    expect_error(ErrorKind::io, {folder.path().string(), "expected a regular file", "found a directory"},
                 [&] { open(folder.path()); });
    expect_error(ErrorKind::io, {"pipe", "expected a regular file", "found a pipe"},
                 [&] { open(folder / "pipe"); });
    expect_error(ErrorKind::io, {"/dev/zero", "expected a regular file", "found a device"},
                 [&] { open("/dev/zero"); });
  }
}

TEST(Files, UnreadableFileIsNamed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TempDir folder;
  const auto file = folder.write("secret", "x");
  ::chmod(file.c_str(), 0);
  expect_error(ErrorKind::io, {"secret", "found Permission denied"}, [&] { read_file(file, 100); });
}

TEST(Files, SizeIsBounded) {
  const TempDir folder;
  const auto file = folder.write("f", "12345");
  EXPECT_EQ(read_file(file, 5), "12345");
  expect_error(ErrorKind::limit, {"f", "expected at most 4 bytes", "found 5 bytes"},
               [&] { read_file(file, 4); });
}

TEST(Files, AFileThatShrinksIsAnErrorToThoseWhoRead) {
  const TempDir folder;
  const auto path = folder.write("f", std::string(100, 'x'));
  const OpenedFile file = open_for_reading(path);
  std::filesystem::resize_file(path, 60);
  std::vector<std::byte> out(100);
  expect_error(ErrorKind::io, {"f", "expected at least 100 bytes", "after 60 bytes"},
               [&] { read_exactly(file.fd, 0, out, path); });
}

TEST(MappedFile, EmptyFileIsAnError) {
  const TempDir folder;
  const auto file = folder.write("none", "");
  expect_error(ErrorKind::io, {"none", "expected a file with contents", "found an empty file"},
               [&] { MappedFile::open(file); });
}

std::size_t resident_file_bytes() {
  // Third field of statm: resident pages that belong to files.
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  std::size_t shared = 0;
  statm >> total >> resident >> shared;
  return shared * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(MappedFile, DroppedPagesLeaveResidentMemoryAndCanBeReadAgain) {
  const TempDir folder;
  constexpr std::size_t kSize = std::size_t{32} << 20;
  const auto path = folder.write("big", std::string(kSize, 'y'));
  MappedFile moved = MappedFile::open(path);
  const MappedFile file = std::move(moved);
  EXPECT_TRUE(moved.bytes().empty());
  ASSERT_EQ(file.bytes().size(), kSize);
  const std::size_t before = resident_file_bytes();
  file.will_need(file.bytes());
  const auto sum = [&] {
    std::size_t total = 0;
    for (std::size_t i = 0; i < kSize; i += 512) total += std::to_integer<std::size_t>(file.bytes()[i]);
    return total;
  };
  const std::size_t first = sum();
  EXPECT_GE(resident_file_bytes(), before + kSize / 2);
  file.drop(file.bytes().subspan(100, kSize - 200));
  EXPECT_LE(resident_file_bytes(), before + kSize / 8);
  EXPECT_EQ(sum(), first);
  const std::string elsewhere = "not part of the file";
  file.drop(std::as_bytes(std::span(elsewhere)));  // ignored
}

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
  const TempDir folder;
  const auto target = folder / "out";
  {
    AtomicFile file(target);
    file.write("half of it");
    EXPECT_FALSE(std::filesystem::exists(target));
  }
  EXPECT_EQ(folder.entries(), 0U) << "an abandoned file leaves something behind";
  write_file_atomically(target, "first");
  EXPECT_EQ(read_all(target), "first");
  {
    AtomicFile file(target);
    file.write("second, abandoned");
  }
  EXPECT_EQ(read_all(target), "first");
  AtomicFile file(target);
  file.write(std::string(3'000'000, 'z'));
  EXPECT_EQ(file.size(), 3'000'000U);
  AtomicFile moved(std::move(file));
  moved.close();
  EXPECT_EQ(read_all(target), "first");
  moved.commit();
  EXPECT_EQ(read_all(target), std::string(3'000'000, 'z'));
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(AtomicFile, WhatAKilledWriterLeftIsRemoved) {
  const test::TempDir folder;
  for (const char* name : {".results_1.json.4711-0.tmp", ".notes.tmp", "a.4711-0.tmp", "results_1.json"}) {
    write_file_atomically(folder / name, "x");
  }
  remove_abandoned_files(folder.path());
  EXPECT_FALSE(std::filesystem::exists(folder / ".results_1.json.4711-0.tmp"));
  for (const char* name : {".notes.tmp", "a.4711-0.tmp", "results_1.json"}) EXPECT_TRUE(std::filesystem::exists(folder / name)) << name;
  remove_abandoned_files(folder / "absent");
}

TEST(AtomicFile, FollowsTheUsersMask) {
  const TempDir folder;
  const mode_t before = ::umask(027);
  write_file_atomically(folder / "out", "x");
  ::umask(before);
  EXPECT_EQ(std::filesystem::status(folder / "out").permissions(), std::filesystem::perms(0640));
}

TEST(AtomicFile, WhereItCannotWriteIsNamed) {
  const TempDir folder;
  expect_error(ErrorKind::io, {"no/such/out", "creating", "No such file"},
               [&] { write_file_atomically(folder / "no/such/out", "x"); });
  expect_error(ErrorKind::io, {folder.path().string(), "Is a directory"},
               [&] { write_file_atomically(folder.path(), "x"); });
}

TEST(AtomicFile, FullDeviceIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  expect_error(ErrorKind::io, {"/dev/full", "writing", "No space left"},
               [] { write_file_atomically("/dev/full", "x"); });
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

// A limit on file size stands in for a full disk: write() fails in the middle.
TEST(AtomicFile, RunningOutOfSpaceLeavesNothingAndTheOldFileUntouched) {
  const TempDir folder;
  const auto target = folder.write("out", "old");
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 1 << 20;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorKind::io, {"out", "writing", "File too large"},
               [&] { write_file_atomically(target, std::string(4 << 20, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(read_all(target), "old");
  EXPECT_EQ(folder.entries(), 1U);
}

}  // namespace
}  // namespace moe
