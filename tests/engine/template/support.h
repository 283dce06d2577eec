// What the template tests share.
#pragma once

#include <zlib.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "engine/text/template/json_input.h"
#include "engine/text/template/template.h"
#include "tests/support/paths.h"

namespace moe::test {

inline std::filesystem::path template_folder() {
  return fixture("engine/template");
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// The same, unpacked if it is packed.
inline std::string read_gzip(const std::filesystem::path& path) {
  std::string out;
  gzFile file = gzopen(path.c_str(), "rb");
  if (!file) return out;
  char buffer[16384];
  for (int n = 0; (n = gzread(file, buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<std::size_t>(n));
  gzclose(file);
  return out;
}

// 2025-03-14 15:09:26, the date that the goldens were made on.
inline std::tm fixed_date() {
  std::tm t{};
  t.tm_year = 125;
  t.tm_mon = 2;
  t.tm_mday = 14;
  t.tm_hour = 15;
  t.tm_min = 9;
  t.tm_sec = 26;
  t.tm_wday = 5;
  t.tm_yday = 72;
  return t;
}

// Renders `source` with the variables of a JSON object.
inline std::string render(const std::string& source, const std::string& context = "{}",
                          const jinja::Limits& limits = {}) {
  jinja::Heap heap;
  const jinja::Value variables = jinja::read_json(context, "context", heap);
  return jinja::Template(source, "test").render(variables.as_dict(), limits, fixed_date);
}

}  // namespace moe::test
