// Formatting and pacing of progress lines.
#include "tools/common/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/base/utf8.h"
#include "tools/common/terminal.h"

namespace moe::tools {
namespace {

constexpr int kWidestBar = 30;
constexpr auto kRedrawEvery = std::chrono::milliseconds(100);
constexpr auto kLineEvery = std::chrono::seconds(10);

std::string amount(std::uint64_t value, ProgressUnit unit) {
  return unit == ProgressUnit::bytes ? format_bytes(value) : fmt::format("{}", value);
}

// Columns a text takes, counting one a code point: enough for labels and notes.
std::size_t columns(std::string_view text) { return utf8::count(text); }

std::string cut_to(std::string text, std::size_t width) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
    if (seen++ == width) {
      text.resize(i);
      break;
    }
  }
  return text;
}

}  // namespace

std::string format_duration(double seconds) {
  if (!(seconds >= 0)) seconds = 0;
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(std::min(seconds, 1e15)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::array<const char*, 6> kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (value /= 1000; value >= 999.95 && unit + 1 < kUnits.size(); value /= 1000) ++unit;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_count(double count) {
  static constexpr std::array<const char*, 7> kUnits = {"", " k", " M", " G", " T", " P", " E"};
  std::size_t unit = 0;
  for (; count >= 999.5 && unit + 1 < kUnits.size(); ++unit) count /= 1000;
  return fmt::format("{:.{}f}{}", count, unit == 0 ? 0 : count < 9.995 ? 2 : count < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string progress_line(std::string_view label, std::uint64_t done, std::uint64_t total, double elapsed_s,
                          ProgressUnit unit, int width, bool bar, std::string_view note) {
  std::string tail;
  double fraction = 0;
  if (total == 0) {
    tail = fmt::format("{}, {}", amount(done, unit), format_duration(elapsed_s));
  } else {
    fraction = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    tail = fmt::format("{:3.0f} % ({} of {})", std::floor(fraction * 100), amount(done, unit),
                       amount(total, unit));
    if (done >= total) {
      tail += ", " + format_duration(elapsed_s);
    } else if (done > 0) {
      tail += ", " + format_duration(elapsed_s / fraction - elapsed_s) + " left";
    }
  }
  if (!note.empty()) tail += fmt::format(", {}", note);
  std::string line(label);
  const auto room = static_cast<std::size_t>(std::max(width, 1));
  const std::size_t used = columns(label) + columns(tail) + 4;
  if (bar && total > 0 && used + 5 <= room) {
    const std::size_t cells = std::min<std::size_t>(kWidestBar, room - used);
    const auto full = static_cast<std::size_t>(fraction * static_cast<double>(cells));
    line += " [" + std::string(full, '#') + std::string(cells - full, '.') + "] " + tail;
  } else {
    line += ": " + tail;
  }
  return cut_to(std::move(line), room);
}

Progress::Progress(std::string label, std::uint64_t total, ProgressUnit unit, std::FILE* stream)
    : label_(std::move(label)), total_(total), unit_(unit), stream_(stream), redraw_(can_redraw(stream)) {}

Progress::~Progress() { wipe(); }

void Progress::update(std::uint64_t done, std::string_view note) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  done_ = done;
  const auto now = Clock::now();
  if (redraw_) {
    if (drawn_ && now - last_draw_ < kRedrawEvery) return;
    // One column is left free: a full line makes some terminals wrap.
    const std::string line = progress_line(label_, done, total_, seconds_between(start_, now), unit_,
                                           terminal_width(stream_) - 1, true, note);
    fmt::print(stream_, "\r{}\x1b[K", line);
    drawn_ = true;
  } else {
    if (now - last_draw_ < kLineEvery) return;
    fmt::print(stream_, "{}\n",
               progress_line(label_, done, total_, seconds_between(start_, now), unit_, 200, false, note));
  }
  last_draw_ = now;
  std::fflush(stream_);
}

void Progress::wipe_locked() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stream_);
  std::fflush(stream_);
  drawn_ = false;
}

void Progress::wipe() {
  const std::lock_guard lock(mutex_);
  wipe_locked();
}

void Progress::finish(std::string_view note) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  wipe_locked();
  std::string line = fmt::format("{}: {}, {}", label_, amount(total_ != 0 ? total_ : done_, unit_),
                                 format_duration(seconds_between(start_, Clock::now())));
  if (!note.empty()) line += fmt::format(", {}", note);
  fmt::print(stream_, "{}\n", line);
  std::fflush(stream_);
}

}  // namespace moe::tools
