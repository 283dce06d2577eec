// Comma-separated values: cells are made of the text's bytes, and what was read, written again, reads the same.
#include <string>

#include "eval/dataset/csv.h"
#include "tests/fuzz/fuzz.h"

namespace {

using moe::eval::CsvRow;

// Every cell in quotes, so that any cell can be one.
std::string written(const std::vector<CsvRow>& rows) {
  std::string out;
  for (const CsvRow& row : rows) {
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      out += i > 0 ? ",\"" : "\"";
      for (const char c : row.cells[i]) out += c == '"' ? std::string("\"\"") : std::string(1, c);
      out += '"';
    }
    out += '\n';
  }
  return out;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using moe::fuzz::check;
  std::vector<CsvRow> rows;
  if (!moe::fuzz::succeeds([&] { rows = moe::eval::parse_csv(moe::fuzz::text(data, size), "fuzz"); })) return 0;
  std::size_t bytes = 0, cells = 0, line = 0;
  for (const CsvRow& row : rows) {
    check(!row.cells.empty() && row.line > line);
    line = row.line;
    cells += row.cells.size();
    for (const std::string& cell : row.cells) bytes += cell.size();
  }
  // Each cell but a row's last has its comma, each row but the last its line end.
  check(bytes <= size && cells <= size + 1 && line <= size + 1);
  const std::vector<CsvRow> again = moe::eval::parse_csv(written(rows), "fuzz");
  check(again.size() == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) check(again[i].cells == rows[i].cells);
  return 0;
}
