// What a run shows while it goes on: a table that is redrawn on a terminal, a line now and then elsewhere.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/clock.h"
#include "eval/run/runner.h"

namespace moe::tools {

// One condition of the table.
struct LiveRow {
  enum class State { waiting, running, finished };

  std::string label;
  std::size_t items = 0;
  double work = 0;  // of all items, in any unit that all rows share
  State state = State::waiting;
  bool scored = false;    // by likelihood: no reply that could be cut off
  eval::Summary summary;  // once it runs

  // Items that ran now, not those the journal had.
  std::size_t ran() const { return summary.finished - summary.reused; }
};

// Seconds until `row` is finished; negative where nothing is known yet. `seconds_per_work` comes from the
// other rows, or is 0.
double seconds_left(const LiveRow& row, double seconds_per_work);

struct LiveState {
  std::string title;
  std::vector<LiveRow> rows;

  // Of everything that ran so far; 0 where nothing did.
  double seconds_per_work() const;
  // Of all rows; negative where nothing is known yet.
  double total_left() const;
};

// The table in at most `height` lines of `width` columns: rows around the one that runs where not all fit.
// Pure.
std::vector<std::string> live_lines(const LiveState& state, double elapsed_s, int width, int height);
// One row as a line of a log. Pure.
std::string live_line(const LiveState& state, const LiveRow& row);

class LiveTable {
 public:
  explicit LiveTable(std::string title, std::FILE* stream = stderr);
  // Wipes the table, so that what follows starts on a clean line.
  ~LiveTable();
  LiveTable(const LiveTable&) = delete;
  LiveTable& operator=(const LiveTable&) = delete;

  // All rows are added before the first one starts.
  void add(const std::string& label, std::size_t items, bool scored, double work);
  void start(std::size_t row);
  void update(std::size_t row, const eval::Summary& summary);
  void finish(std::size_t row, const eval::Summary& summary);
  void wipe();

 private:

  void draw();
  void print(const std::string& line);

  LiveState state_;
  std::FILE* const stream_;
  const bool redraw_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
  int drawn_ = 0;        // lines of the table on the screen
  bool warned_ = false;  // of replies cut off, in the row that runs
};

}  // namespace moe::tools
