// Python's text forms of values: str(), repr(), float's shortest form, and json.dumps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/text/template/value.h"

namespace moe::jinja {

std::string float_repr(double value);
std::string string_repr(std::string_view text);
std::string repr(const Value& value, int depth = 0);
std::string str(const Value& value);
// Appends str(value) without a copy for strings.
void append_str(std::string& out, const Value& value);

// json.dumps(value, ensure_ascii, indent, separators, sort_keys) of Python's standard library.
struct JsonStyle {
  bool ensure_ascii = false;
  bool indented = false;
  std::string indent;  // for one level
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
std::string to_json(const Value& value, const JsonStyle& style);

}  // namespace moe::jinja
