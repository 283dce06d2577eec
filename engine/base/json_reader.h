// A pull parser for JSON from untrusted files: strict RFC 8259, bounded in size, depth and number of values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moe {

struct JsonLimits {
  std::size_t bytes = std::size_t{256} << 20;
  std::size_t depth = 64;           // nested arrays and objects
  std::size_t values = 16'000'000;  // keys and values together: bounds the memory a small file can ask for
  bool unique_keys = true;          // a key that appears twice in one object is an error
  bool allow_non_finite = false;    // NaN, Infinity, -Infinity, as Python's json module writes them
};

enum class JsonEvent : std::uint8_t {
  begin_object,
  end_object,
  begin_array,
  end_array,
  key,
  string,
  unsigned_integer,  // fits std::uint64_t
  negative_integer,  // has a minus sign and fits std::int64_t ("-0" too)
  number,            // any other number, as double
  boolean,
  null,
  end,
};

// A name for messages: "an object", "a string", ...
std::string_view describe(JsonEvent event) noexcept;

// Reads one JSON text from front to back. The text must outlive the reader. Every fault is an Error of kind
// format (or limit) that names the file and the line. Neither recursion nor memory grows with the input,
// apart from one bit a level and the longest escaped string. `limits.unique_keys` is for those who store
// keys; the reader itself does not remember them.
class JsonReader {
 public:
  JsonReader(std::string_view text, std::string_view file, const JsonLimits& limits);

  // The next event; after the outermost value has ended and only white space follows, `end` for ever.
  JsonEvent next();
  // As next(), but an error that names `thing` if the event is another one.
  void expect(JsonEvent wanted, std::string_view thing);
  // Skips the rest of the value whose first event was `event`.
  void skip(JsonEvent event);

  // The value of the last event. A string view is valid until the next call of next().
  std::string_view string() const noexcept { return string_; }
  std::uint64_t unsigned_integer() const noexcept { return unsigned_; }
  std::int64_t negative_integer() const noexcept { return signed_; }
  double number() const noexcept { return number_; }
  bool boolean() const noexcept { return boolean_; }

  // "line 3, column 7" of the place just before the last event.
  std::string place() const { return place(event_start_); }
  // How many objects and arrays are open.
  std::size_t depth() const noexcept { return nesting_.size(); }
  const std::string& file() const noexcept { return file_; }

 private:
  enum class State : std::uint8_t { value, first_element, first_key, after_value, done };

  JsonEvent read_value();
  JsonEvent read_number();
  JsonEvent open(bool object);
  JsonEvent close(bool object);
  JsonEvent finish_value(JsonEvent event) noexcept;
  void read_string();
  void read_escape();
  const char* check_utf8(const char* p) const;
  std::uint32_t read_hex4();
  void skip_space() noexcept;
  bool take_word(std::string_view word) noexcept;
  void count_value();
  std::string place(const char* at) const;
  std::string found_here() const;
  [[noreturn]] void fail(const char* at, std::string_view expected, std::string_view found) const;

  const char* begin_;
  const char* at_;
  const char* end_;
  std::string file_;
  JsonLimits limits_;
  State state_ = State::value;
  const char* event_start_;
  std::size_t values_ = 0;
  std::vector<bool> nesting_;  // true for an object
  std::string buffer_;         // a string whose escapes were replaced
  std::string_view string_;
  std::uint64_t unsigned_ = 0;
  std::int64_t signed_ = 0;
  double number_ = 0;
  bool boolean_ = false;
};

}  // namespace moe
