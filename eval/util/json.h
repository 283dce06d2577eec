// Reading untrusted JSON with faults that name file, key, expected and found.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace moe::eval {

// Keeps the order of keys, as hashes of documents need.
using Json = nlohmann::ordered_json;

// Parses one JSON text; nesting deeper than 64 and duplicate keys are refused. `file` and `thing` (for instance
// "line 7") go into the Error (format).
Json parse_json(std::string_view text, const std::string& file, const std::string& thing);

// What a value is, for "found": "the string \"abc\"", "an array of 3", "nothing".
std::string describe_json(const Json& value);

// Text as a value; null where it is empty, which stands for "there is none".
inline Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

// Writes a value as Python's json.dumps(value, indent=2, ensure_ascii=False) does: what lm_eval hashes.
std::string python_dump(const Json& value);
// The same on one line, as json.dumps(value, ensure_ascii=False) writes it, for JSON Lines files.
std::string line_dump(const Json& value);

// A view of one JSON object that remembers where it stands and which keys were read, so that a misspelt key is an
// error and not a silent default. All get functions throw Error (config) naming file and key path.
class ObjectReader {
 public:
  ObjectReader(const Json& object, std::string file, std::string path);

  bool has(const std::string& key) const;
  std::string text(const std::string& key);
  std::string text(const std::string& key, std::string fallback);
  bool flag(const std::string& key, bool fallback);
  std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high);
  std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high, std::int64_t fallback);
  double number(const std::string& key, double low, double high, double fallback);
  // One of the listed words.
  std::string word(const std::string& key, std::initializer_list<std::string_view> allowed);
  std::string word(const std::string& key, std::initializer_list<std::string_view> allowed, std::string fallback);
  std::vector<std::string> texts(const std::string& key);
  std::vector<std::string> texts(const std::string& key, std::vector<std::string> fallback);
  ObjectReader object(const std::string& key);
  // The value itself, marked as read; throws where it is absent.
  const Json& value(const std::string& key);
  std::vector<std::string> keys() const;

  // Throws where a key was never asked for.
  void finish() const;
  [[noreturn]] void fail(const std::string& key, const std::string& expected, const std::string& found) const;

  const std::string& file() const { return file_; }
  std::string path_of(const std::string& key) const;

 private:
  const Json& object_;
  std::string file_;
  std::string path_;
  std::set<std::string> read_;
};

}  // namespace moe::eval
