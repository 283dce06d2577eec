// The text of progress lines, and that a stream which is no terminal stays quiet.
#include "tools/common/progress.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace moe::tools {
namespace {

TEST(FormatDuration, PicksReadableUnits) {
  EXPECT_EQ(format_duration(0), "0.0 s");
  EXPECT_EQ(format_duration(-3), "0.0 s");
  EXPECT_EQ(format_duration(3.25), "3.2 s");
  EXPECT_EQ(format_duration(9.97), "10 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(245), "4 min 05 s");
  EXPECT_EQ(format_duration(7620), "2 h 07 min");
}

TEST(FormatBytes, UsesPowersOfAThousand) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999.4), "999");
  EXPECT_EQ(format_count(999.5), "1.00 k");
  EXPECT_EQ(format_count(1234567), "1.23 M");
  EXPECT_EQ(format_count(45.6e9), "45.6 G");
  EXPECT_EQ(format_count(456e12), "456 T");
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(999949), "999.9 kB");
  EXPECT_EQ(format_bytes(999950), "1.0 MB");
  EXPECT_EQ(format_bytes(538090408), "538.1 MB");
  EXPECT_EQ(format_bytes(UINT64_MAX), "18.4 EB");
}

TEST(ProgressLine, TellsShareAmountAndWhatIsLeft) {
  EXPECT_EQ(progress_line("items", 25, 100, 10, ProgressUnit::count, 200, false),
            "items:  25 % (25 of 100), 30 s left");
  EXPECT_EQ(progress_line("items", 100, 100, 10, ProgressUnit::count, 200, false),
            "items: 100 % (100 of 100), 10 s");
  EXPECT_EQ(progress_line("items", 0, 100, 1, ProgressUnit::count, 200, false), "items:   0 % (0 of 100)");
  EXPECT_EQ(progress_line("read", 2000, 0, 3, ProgressUnit::bytes, 200, false), "read: 2.0 kB, 3.0 s");
  EXPECT_EQ(progress_line("run", 1, 2, 1, ProgressUnit::count, 200, false, "acc 0.50"),
            "run:  50 % (1 of 2), 1.0 s left, acc 0.50");
}

TEST(ProgressLine, TheBarFillsWhatIsLeftOver) {
  EXPECT_EQ(progress_line("x", 1, 2, 1, ProgressUnit::count, 80, true),
            "x [###############...............]  50 % (1 of 2), 1.0 s left");
  for (int width = 1; width < 100; ++width) {
    const std::string line = progress_line("label", 77, 100, 4, ProgressUnit::count, width, true, "a note");
    EXPECT_LE(static_cast<int>(line.size()), width);
  }
}

TEST(ProgressLine, NeverCutsACharacterInTwo) {
  EXPECT_EQ(progress_line("\u00e9\u00e9\u00e9", 1, 2, 1, ProgressUnit::count, 2, false), "\u00e9\u00e9");
}

TEST(Progress, WritesOneLineAtTheEndWhereThereIsNoTerminal) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    Progress progress("tensors", 3, ProgressUnit::count, file);
    for (std::uint64_t i = 0; i <= 3; ++i) progress.update(i);
    progress.finish("done");
    progress.update(1);
    progress.finish();
  }
  std::rewind(file);
  char text[200] = {};
  const std::size_t size = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  EXPECT_EQ(std::string(text, size), "tensors: 3, 0.0 s, done\n");
}

}  // namespace
}  // namespace moe::tools
