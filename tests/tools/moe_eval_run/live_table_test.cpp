// What a long run shows: estimates, loud truncation, a table that fits its terminal.
#include "tools/moe_eval/live_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moe::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

LiveRow row(const std::string& label, std::size_t items, std::size_t finished, double seconds, double work) {
  LiveRow out;
  out.label = label;
  out.items = items;
  out.work = work;
  out.state = finished == items ? LiveRow::State::finished
              : finished > 0    ? LiveRow::State::running
                                : LiveRow::State::waiting;
  out.summary.items = items;
  out.summary.finished = finished;
  out.summary.seconds = seconds;
  out.summary.ran_tokens = finished * 50;
  eval::Tally tally;
  tally.chain = "strict";
  tally.scored = finished;
  tally.correct = finished / 2;
  if (finished > 0) out.summary.tallies.push_back(tally);
  return out;
}

TEST(LiveTable, ForetellsByItsOwnPaceThenByTheOthers) {
  LiveState state;
  state.rows = {row("a", 10, 10, 20, 100), row("b", 100, 50, 30, 500), row("c", 10, 0, 0, 700)};
  EXPECT_DOUBLE_EQ(seconds_left(state.rows[0], 1), 0);
  EXPECT_DOUBLE_EQ(seconds_left(state.rows[1], 99), 30);  // 50 took 30 s, 50 are left
  // 50 s for work of 100 + 250, so 100 s for 700.
  EXPECT_DOUBLE_EQ(seconds_left(state.rows[2], state.seconds_per_work()), 100);
  EXPECT_DOUBLE_EQ(state.total_left(), 130);
  EXPECT_LT(seconds_left(row("d", 10, 0, 0, 700), 0), 0) << "nothing is known yet";
  // What the journal had took no time now.
  LiveRow resumed = row("e", 100, 50, 4, 500);
  resumed.summary.reused = 40;
  EXPECT_DOUBLE_EQ(seconds_left(resumed, 0), 20);
}

TEST(LiveTable, ALineSaysAllThatMatters) {
  LiveState state;
  state.rows = {row("gsm8k__cot", 100, 50, 25, 500), row("c", 100, 0, 0, 500)};
  state.rows[0].summary.truncated = 10;
  EXPECT_THAT(
      live_line(state, state.rows[0]),
      AllOf(HasSubstr(
                "gsm8k__cot: 50 of 100 items (50 %), strict 50.0 (36.6 - 63.4) % correct, 20.0 ! % cut off"),
            HasSubstr("100 tokens/s, 25 s left; 1 min 15 s left in all")));
  state.rows[0].scored = true;
  EXPECT_THAT(live_line(state, state.rows[0]), Not(HasSubstr("cut off")));
}

TEST(LiveTable, FitsItsTerminal) {
  LiveState state;
  state.title = "model";
  for (int i = 0; i < 30; ++i)
    state.rows.push_back(row("task_" + std::to_string(i), 10,
                             i < 17    ? 10
                             : i == 17 ? 4
                                       : 0,
                             i <= 17 ? 2 : 0, 5));
  const std::vector<std::string> lines = live_lines(state, 12, 60, 10);
  ASSERT_EQ(lines.size(), 10u);
  EXPECT_THAT(lines[0], HasSubstr("model   174 of 300 items, 12 s"));
  std::string all;
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 60u);
    all += line + "\n";
  }
  EXPECT_THAT(all, AllOf(HasSubstr("> task_17"), HasSubstr("4 / 10"), Not(HasSubstr("task_2 ")),
                         Not(HasSubstr("task_29"))));
  EXPECT_EQ(live_lines(state, 12, 200, 50).size(), 32u) << "all of them where there is room";
}

}  // namespace
}  // namespace moe::tools
