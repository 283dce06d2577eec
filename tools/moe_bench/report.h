// moe-bench's results as Markdown, CSV, JSON and JSON lines.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "tools/moe_bench/bench.h"

namespace moe::tools {

// Everything about one result; docs/performance.md explains the fields.
nlohmann::json result_json(const BenchResult& result);

// What stands before the first result ("" where nothing does), one result, and what stands after the last.
struct ReportFormat {
  std::string head;
  std::string (*line)(const BenchResult&);
  std::string between, foot;
};
// By the name of --output: md, csv, json or jsonl.
ReportFormat report_format(const std::string& output);

// Markdown: where the time of these results went, a table each.
std::string breakdown_text(std::span<const BenchResult> results);
// The limits they were held against, one line.
std::string limits_text(const BenchResult& result);

}  // namespace moe::tools
