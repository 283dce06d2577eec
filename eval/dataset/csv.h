// Comma-separated values (RFC 4180).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moe::eval {

struct CsvRow {
  std::size_t line = 0;  // where the row starts, from 1
  std::vector<std::string> cells;
};

// Quoted cells may hold commas, doubled quotes and line ends; a byte order mark is skipped; blank lines are no rows.
// Throws Error (format) naming the line of a quote that is not closed.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file);

}  // namespace moe::eval
