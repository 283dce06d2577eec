// Comma-separated values (RFC 4180).
#include "eval/dataset/csv.h"

#include <fmt/format.h>

#include "engine/base/error.h"

namespace moe::eval {

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file) {
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  std::vector<CsvRow> rows;
  CsvRow row;
  std::string cell;
  std::size_t line = 1, opened = 0;
  bool quoted = false, any = false;  // any: the row has something besides its line end
  row.line = 1;
  const auto end_cell = [&] { row.cells.push_back(std::move(cell)), cell.clear(); };
  const auto end_row = [&] {
    if (any) {
      end_cell();
      rows.push_back(std::move(row));
    }
    row = CsvRow();
    row.line = line;
    any = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
        cell += '"';
        ++i;
      } else if (c == '"') {
        quoted = false;
      } else {
        cell += c;
      }
    } else if (c == '"' && cell.empty()) {
      quoted = any = true;
      opened = line;
    } else if (c == ',') {
      any = true;
      end_cell();
    } else if (c == '\n') {
      end_row();
    } else if (c != '\r' || i + 1 >= text.size() || text[i + 1] != '\n') {
      any = true;
      cell += c;
    }
  }
  if (quoted) throw Error(ErrorKind::format, Fault{file, fmt::format("line {}", opened), "a closed quote", "none"});
  end_row();
  return rows;
}

}  // namespace moe::eval
