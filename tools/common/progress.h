// A progress line on stderr: a bar with an estimate on a terminal, one plain line now and then elsewhere.
#pragma once

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/base/clock.h"

namespace moe::tools {

enum class ProgressUnit { count, bytes };

// "3.2 s", "4 min 05 s", "2 h 07 min".
std::string format_duration(double seconds);
// "512 B", "3.2 MB" (powers of 1000).
std::string format_bytes(std::uint64_t bytes);
// "640", "1.23 M", "45.6 G": three digits.
std::string format_count(double count);

// One line of text about `done` of `total`, at most `width` columns; with `bar`, a bar fills what is left
// over. Total 0 means unknown: no percentage and no estimate. Pure, so that it can be tested.
std::string progress_line(std::string_view label, std::uint64_t done, std::uint64_t total, double elapsed_s,
                          ProgressUnit unit, int width, bool bar, std::string_view note = {});

// Draws progress lines. update() may be called as often as one likes and from any thread: a terminal is
// redrawn at most ten times a second, and anything else gets a line every ten seconds, so that logs stay
// short. The destructor wipes an unfinished bar, so that an error message starts on a clean line.
class Progress {
 public:
  Progress(std::string label, std::uint64_t total, ProgressUnit unit = ProgressUnit::count,
           std::FILE* stream = stderr);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `note` is free text at the end of the line (a running accuracy, the name of a tensor).
  void update(std::uint64_t done, std::string_view note = {});
  // Lets another line be printed above the bar: the bar is wiped, and drawn again at the next update.
  void wipe();
  // Ends with one last plain line: what was done, and how long it took.
  void finish(std::string_view note = {});

 private:
  void wipe_locked();

  std::mutex mutex_;
  const std::string label_;
  const std::uint64_t total_;
  const ProgressUnit unit_;
  std::FILE* const stream_;
  const bool redraw_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_draw_ = start_;
  std::uint64_t done_ = 0;
  bool drawn_ = false;
  bool finished_ = false;
};

}  // namespace moe::tools
