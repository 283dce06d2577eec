// What a run shows while it goes on.
#include "tools/moe_eval/live_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "eval/stats/proportion.h"
#include "tools/common/progress.h"
#include "tools/common/terminal.h"
#include "tools/moe_eval/table.h"

namespace moe::tools {
namespace {

using eval::Summary;
using eval::Tally;

constexpr auto kRedrawEvery = std::chrono::milliseconds(200);
constexpr auto kLineEvery = std::chrono::seconds(30);
constexpr std::size_t kEnoughToWarn = 20;  // replies

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

bool much_cut(const LiveRow& row) {
  const std::size_t replies = row.summary.finished - row.summary.failed;
  return !row.scored && share(row.summary.truncated, replies) > kLoudTruncation;
}

// "28.4 (25.9 - 31.1)"
std::string accuracy(const Summary& s) {
  if (s.tallies.empty() || s.tallies[0].scored == 0) return "";
  const Tally& first = s.tallies[0];
  const eval::Interval interval = eval::accuracy_interval(s, first);
  return fmt::format("{:.1f} ({:.1f} - {:.1f})", 100 * share(first.correct, first.scored), 100 * interval.low,
                     100 * interval.high);
}

std::string cut_off(const LiveRow& row) {
  if (row.scored || row.summary.finished == 0) return "";
  return fmt::format("{:.1f}{}",
                     100 * share(row.summary.truncated, row.summary.finished - row.summary.failed),
                     much_cut(row) ? " !" : "");
}

std::string speed(const Summary& s) {
  return s.seconds > 0 && s.ran_tokens > 0
             ? fmt::format("{:.0f}", static_cast<double>(s.ran_tokens) / s.seconds)
             : "";
}

std::string left(const LiveRow& row, double seconds_per_work) {
  if (row.state == LiveRow::State::finished) return "done in " + format_duration(row.summary.seconds);
  const double seconds = seconds_left(row, seconds_per_work);
  return seconds < 0 ? "" : format_duration(seconds) + " left";
}

std::string cut_to(std::string line, int width) {
  if (line.size() > static_cast<std::size_t>(std::max(width, 1)))
    line.resize(static_cast<std::size_t>(std::max(width, 1)));
  return line;
}

}  // namespace

double seconds_left(const LiveRow& row, double seconds_per_work) {
  if (row.state == LiveRow::State::finished) return 0;
  const auto open = static_cast<double>(row.items - row.summary.finished);
  // Its own pace is the best witness; a first item alone is a poor one.
  if (row.ran() >= 3) return row.summary.seconds / static_cast<double>(row.ran()) * open;
  if (seconds_per_work <= 0 || row.items == 0) return open == 0 ? 0 : -1;
  return seconds_per_work * row.work * open / static_cast<double>(row.items);
}

double LiveState::seconds_per_work() const {
  double seconds = 0, work = 0;
  for (const LiveRow& row : rows) {
    if (row.ran() == 0) continue;
    seconds += row.summary.seconds;
    work += row.work * share(row.ran(), row.items);
  }
  return work > 0 ? seconds / work : 0;
}

double LiveState::total_left() const {
  double sum = 0;
  const double pace = seconds_per_work();
  for (const LiveRow& row : rows) {
    const double seconds = seconds_left(row, pace);
    if (seconds < 0) return -1;
    sum += seconds;
  }
  return sum;
}

std::vector<std::string> live_lines(const LiveState& state, double elapsed_s, int width, int height) {
  const double pace = state.seconds_per_work(), total = state.total_left();
  std::vector<std::vector<std::string>> cells = {{"", "items", "correct %", "cut off %", "tokens/s", ""}};
  std::size_t running = 0, finished = 0, items = 0;
  for (std::size_t i = 0; i < state.rows.size(); ++i) {
    const LiveRow& row = state.rows[i];
    if (row.state == LiveRow::State::running) running = i;
    finished += row.summary.finished;
    items += row.items;
    cells.push_back({(row.state == LiveRow::State::running ? "> " : "  ") + row.label,
                     fmt::format("{} / {}", row.summary.finished, row.items), accuracy(row.summary),
                     cut_off(row), speed(row.summary), left(row, pace)});
  }
  std::vector<std::size_t> widths(cells[0].size());
  for (const auto& row : cells) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  // Two lines stand above the rows. What does not fit is left out around the row that runs.
  const std::size_t room = static_cast<std::size_t>(std::max(height - 2, 1));
  const std::size_t from = state.rows.size() <= room ? 0
                                                     : std::min(running > room / 2 ? running - room / 2 : 0,
                                                                state.rows.size() - room);
  std::vector<std::string> lines;
  lines.push_back(cut_to(
      fmt::format("{}   {} of {} items, {}{}", state.title, finished, items, format_duration(elapsed_s),
                  total < 0 ? "" : ", " + format_duration(total) + " left"),
      width));
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0 && (i - 1 < from || i - 1 >= from + room)) continue;
    std::string line = fmt::format("{:<{}}", cells[i][0], widths[0]);
    for (std::size_t c = 1; c + 1 < cells[i].size(); ++c)
      line += fmt::format("  {:>{}}", cells[i][c], widths[c]);
    line += "  " + cells[i].back();
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(cut_to(std::move(line), width));
  }
  return lines;
}

std::string live_line(const LiveState& state, const LiveRow& row) {
  const Summary& s = row.summary;
  std::string line = fmt::format("{}: {} of {} items ({:.0f} %)", row.label, s.finished, row.items,
                                 100 * share(s.finished, row.items));
  if (const std::string value = accuracy(s); !value.empty())
    line += fmt::format(", {} {} % correct", s.tallies[0].chain, value);
  if (const std::string value = cut_off(row); !value.empty() && s.truncated > 0)
    line += fmt::format(", {} % cut off", value);
  if (s.failed > 0) line += fmt::format(", {} failed", s.failed);
  if (const std::string value = speed(s); !value.empty()) line += fmt::format(", {} tokens/s", value);
  if (const std::string value = left(row, state.seconds_per_work()); !value.empty()) line += ", " + value;
  const double total = state.total_left();
  if (state.rows.size() > 1 && total > 0) line += fmt::format("; {} left in all", format_duration(total));
  return line;
}

LiveTable::LiveTable(std::string title, std::FILE* stream) : stream_(stream), redraw_(can_redraw(stream)) {
  state_.title = std::move(title);
}

LiveTable::~LiveTable() { wipe(); }

void LiveTable::add(const std::string& label, std::size_t items, bool scored, double work) {
  LiveRow row;
  row.label = label;
  row.items = items;
  row.scored = scored;
  row.work = work;
  state_.rows.push_back(std::move(row));
}

void LiveTable::start(std::size_t row) {
  state_.rows[row].state = LiveRow::State::running;
  warned_ = false;
}

void LiveTable::update(std::size_t index, const Summary& summary) {
  LiveRow& row = state_.rows[index];
  const bool first = row.summary.items == 0;
  row.summary = summary;
  if (first && summary.reused > 0) {
    print(fmt::format("{}: {} of {} items stand in the journal already", row.label, summary.reused,
                      summary.items));
  }
  if (!warned_ && much_cut(row) && summary.finished - summary.failed >= kEnoughToWarn) {
    warned_ = true;
    print(fmt::format("*** {}: {} of {} answers so far were CUT OFF at the token cap (see --max-tokens)",
                      row.label, summary.truncated, summary.finished - summary.failed));
  }
  const auto now = Clock::now();
  if (redraw_ ? drawn_ > 0 && now - last_ < kRedrawEvery : now - last_ < kLineEvery) return;
  last_ = now;
  if (redraw_) {
    draw();
  } else {
    print(live_line(state_, row));
  }
}

void LiveTable::finish(std::size_t index, const Summary& summary) {
  LiveRow& row = state_.rows[index];
  row.summary = summary;
  row.state = LiveRow::State::finished;
  last_ = Clock::now();
  if (redraw_) {
    draw();
  } else {
    print(live_line(state_, row));
  }
}

void LiveTable::wipe() {
  if (drawn_ == 0) return;
  fmt::print(stream_, "\x1b[{}A\r\x1b[J", drawn_);
  std::fflush(stream_);
  drawn_ = 0;
}

void LiveTable::print(const std::string& line) {
  wipe();
  fmt::print(stream_, "{}\n", line);
  std::fflush(stream_);
}

void LiveTable::draw() {
  const double elapsed = seconds_since(start_);
  // One column is left free: a full line makes some terminals wrap.
  const std::vector<std::string> lines =
      live_lines(state_, elapsed, terminal_width(stream_) - 1, terminal_height(stream_) - 1);
  std::string text = drawn_ > 0 ? fmt::format("\x1b[{}A\r", drawn_) : "";
  for (const std::string& line : lines) text += line + "\x1b[K\n";
  text += "\x1b[J";
  fmt::print(stream_, "{}", text);
  std::fflush(stream_);
  drawn_ = static_cast<int>(lines.size());
}

}  // namespace moe::tools
