#include "engine/base/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "engine/base/error.h"
#include "engine/base/utf8.h"

namespace moe {
namespace {

// Bytes that may stand in a string as they are and need no look at their neighbours.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// True if a decimal number that is out of double's range is too small rather than too large.
bool is_tiny(std::string_view text) noexcept {
  std::int64_t magnitude = 0;  // position of the first significant digit relative to the decimal point
  bool significant = false;
  bool fraction = false;
  std::size_t i = text.front() == '-' ? 1 : 0;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      fraction = true;
    } else {
      significant = significant || text[i] != '0';
      if (significant && !fraction) ++magnitude;
      if (!significant && fraction) --magnitude;
    }
  }
  if (i < text.size()) {
    const bool negative = text[i + 1] == '-';
    std::int64_t exponent = 0;
    for (const char c : text.substr(i + 1)) {
      if (is_digit(c)) exponent = std::min<std::int64_t>(exponent * 10 + (c - '0'), std::int64_t{1} << 40);
    }
    magnitude += negative ? -exponent : exponent;
  }
  return magnitude <= 0;
}

}  // namespace

std::string_view describe(JsonEvent event) noexcept {
  switch (event) {
    case JsonEvent::begin_object:
      return "an object";
    case JsonEvent::end_object:
      return "the end of the object";
    case JsonEvent::begin_array:
      return "an array";
    case JsonEvent::end_array:
      return "the end of the array";
    case JsonEvent::key:
      return "a key";
    case JsonEvent::string:
      return "a string";
    case JsonEvent::unsigned_integer:
      return "a non-negative integer";
    case JsonEvent::negative_integer:
      return "a negative integer";
    case JsonEvent::number:
      return "a number that is no 64-bit integer";
    case JsonEvent::boolean:
      return "a boolean";
    case JsonEvent::null:
      return "null";
    case JsonEvent::end:
      return "the end of the text";
  }
  return "";
}

JsonReader::JsonReader(std::string_view text, std::string_view file, const JsonLimits& limits)
    : begin_(text.data()),
      at_(begin_),
      end_(begin_ + text.size()),
      file_(file),
      limits_(limits),
      event_start_(begin_) {
  if (text.size() > limits.bytes) {
    throw Error(ErrorKind::limit, Fault{file_, "JSON text", fmt::format("at most {} bytes", limits.bytes),
                                        fmt::format("{} bytes", text.size())});
  }
  if (text.starts_with("\xef\xbb\xbf")) at_ += 3;
}

JsonEvent JsonReader::next() {
  skip_space();
  event_start_ = at_;
  switch (state_) {
    case State::done:
      if (at_ != end_) fail(at_, "the end of the text", found_here());
      return JsonEvent::end;
    case State::value:
      return read_value();
    case State::first_element:
      if (at_ != end_ && *at_ == ']') return close(false);
      return read_value();
    case State::after_value:
      if (at_ != end_ && *at_ == (nesting_.back() ? '}' : ']')) return close(nesting_.back());
      if (at_ == end_ || *at_ != ',') fail(at_, nesting_.back() ? "',' or '}'" : "',' or ']'", found_here());
      ++at_;
      skip_space();
      event_start_ = at_;
      if (!nesting_.back()) return read_value();
      break;
    case State::first_key:
      if (at_ != end_ && *at_ == '}') return close(true);
      break;
  }
  if (at_ == end_ || *at_ != '"') fail(at_, "a key in double quotes", found_here());
  count_value();
  read_string();
  skip_space();
  if (at_ == end_ || *at_ != ':') fail(at_, "':'", found_here());
  ++at_;
  state_ = State::value;
  return JsonEvent::key;
}

void JsonReader::expect(JsonEvent wanted, std::string_view thing) {
  const JsonEvent event = next();
  if (event == wanted) return;
  throw Error(ErrorKind::format, Fault{file_, fmt::format("{} ({})", thing, place()),
                                       std::string(describe(wanted)), std::string(describe(event))});
}

void JsonReader::skip(JsonEvent event) {
  if (event != JsonEvent::begin_object && event != JsonEvent::begin_array) return;
  const std::size_t outside = depth() - 1;
  while (depth() > outside) next();
}

JsonEvent JsonReader::read_value() {
  count_value();
  if (at_ == end_) fail(at_, "a value", found_here());
  switch (*at_) {
    case '{':
      return open(true);
    case '[':
      return open(false);
    case '"':
      read_string();
      return finish_value(JsonEvent::string);
    case 't':
      if (!take_word("true")) break;
      boolean_ = true;
      return finish_value(JsonEvent::boolean);
    case 'f':
      if (!take_word("false")) break;
      boolean_ = false;
      return finish_value(JsonEvent::boolean);
    case 'n':
      if (!take_word("null")) break;
      return finish_value(JsonEvent::null);
    case 'N':
      if (!limits_.allow_non_finite || !take_word("NaN")) break;
      number_ = std::numeric_limits<double>::quiet_NaN();
      return finish_value(JsonEvent::number);
    case 'I':
      if (!limits_.allow_non_finite || !take_word("Infinity")) break;
      number_ = std::numeric_limits<double>::infinity();
      return finish_value(JsonEvent::number);
    default:
      if (*at_ == '-' || is_digit(*at_)) return read_number();
  }
  fail(at_, "a value", found_here());
}

JsonEvent JsonReader::read_number() {
  const char* const start = at_;
  const bool negative = *at_ == '-';
  if (negative) ++at_;
  if (negative && limits_.allow_non_finite && take_word("Infinity")) {
    number_ = -std::numeric_limits<double>::infinity();
    return finish_value(JsonEvent::number);
  }
  const auto digits = [this] {
    if (at_ == end_ || !is_digit(*at_)) fail(at_, "a digit", found_here());
    while (at_ != end_ && is_digit(*at_)) ++at_;
  };
  const bool leading_zero = at_ != end_ && *at_ == '0';
  const char* const first_digit = at_;
  digits();
  if (leading_zero && at_ - first_digit > 1)
    fail(first_digit, "a number without leading zeros", "a leading zero");
  bool integer = true;
  if (at_ != end_ && *at_ == '.') {
    integer = false;
    ++at_;
    digits();
  }
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    integer = false;
    ++at_;
    if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    digits();
  }
  if (integer && negative && std::from_chars(start, at_, signed_).ec == std::errc{}) {
    return finish_value(JsonEvent::negative_integer);
  }
  if (integer && !negative && std::from_chars(start, at_, unsigned_).ec == std::errc{}) {
    return finish_value(JsonEvent::unsigned_integer);
  }
  if (std::from_chars(start, at_, number_).ec != std::errc{}) {
    const std::string_view text(start, static_cast<std::size_t>(at_ - start));
    if (!is_tiny(text)) fail(start, "a number a double can hold", text);
    number_ = negative ? -0.0 : 0.0;
  }
  return finish_value(JsonEvent::number);
}

JsonEvent JsonReader::open(bool object) {
  if (nesting_.size() >= limits_.depth) {
    throw Error(ErrorKind::limit,
                Fault{file_, "JSON, " + place(at_),
                      fmt::format("at most {} nested arrays and objects", limits_.depth), "more"});
  }
  ++at_;
  nesting_.push_back(object);
  state_ = object ? State::first_key : State::first_element;
  return object ? JsonEvent::begin_object : JsonEvent::begin_array;
}

JsonEvent JsonReader::close(bool object) {
  ++at_;
  nesting_.pop_back();
  return finish_value(object ? JsonEvent::end_object : JsonEvent::end_array);
}

JsonEvent JsonReader::finish_value(JsonEvent event) noexcept {
  state_ = nesting_.empty() ? State::done : State::after_value;
  return event;
}

void JsonReader::read_string() {
  const char* const open_quote = at_++;
  const char* run = at_;
  bool copied = false;
  for (;;) {
    while (at_ != end_ && kPlain[static_cast<unsigned char>(*at_)]) ++at_;
    if (at_ == end_) fail(open_quote, "a string that ends", "the end of the text");
    const auto c = static_cast<unsigned char>(*at_);
    if (c >= 0x80) {
      at_ = check_utf8(at_);
      continue;
    }
    if (c != '"' && c != '\\') {
      fail(at_, "control characters in a string to be escaped", fmt::format("byte 0x{:02x}", c));
    }
    const std::size_t length = static_cast<std::size_t>(at_ - run);
    if (c == '"') {
      if (copied) buffer_.append(run, length);
      string_ = copied ? std::string_view(buffer_) : std::string_view(run, length);
      ++at_;
      return;
    }
    if (!copied) buffer_.clear();
    copied = true;
    buffer_.append(run, length);
    read_escape();
    run = at_;
  }
}

void JsonReader::read_escape() {
  const char* const backslash = at_++;
  if (at_ == end_) fail(backslash, "an escape sequence", "the end of the text");
  const char c = *at_++;
  switch (c) {
    case '"':
    case '\\':
    case '/':
      buffer_ += c;
      return;
    case 'b':
      buffer_ += '\b';
      return;
    case 'f':
      buffer_ += '\f';
      return;
    case 'n':
      buffer_ += '\n';
      return;
    case 'r':
      buffer_ += '\r';
      return;
    case 't':
      buffer_ += '\t';
      return;
    case 'u':
      break;
    default:
      fail(backslash, "an escape sequence", std::string("\\") + c);
  }
  std::uint32_t code = read_hex4();
  if (code >= 0xd800 && code < 0xe000) {
    const bool paired = code < 0xdc00 && end_ - at_ >= 2 && at_[0] == '\\' && at_[1] == 'u';
    if (!paired) fail(backslash, "a surrogate pair", "half of one");
    at_ += 2;
    const std::uint32_t low = read_hex4();
    if (low < 0xdc00 || low >= 0xe000) fail(backslash, "a surrogate pair", "half of one");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  utf8::append(buffer_, code);
}

std::uint32_t JsonReader::read_hex4() {
  std::uint32_t code = 0;
  if (end_ - at_ < 4) fail(at_, "four hexadecimal digits", "the end of the text");
  const auto [stop, error] = std::from_chars(at_, at_ + 4, code, 16);
  if (error != std::errc{} || stop != at_ + 4) fail(at_, "four hexadecimal digits", std::string_view(at_, 4));
  at_ += 4;
  return code;
}

// The byte after the multi-byte character at `p`.
const char* JsonReader::check_utf8(const char* p) const {
  const std::size_t length = utf8::whole_character({p, static_cast<std::size_t>(end_ - p)});
  if (length == 0) fail(p, "UTF-8", fmt::format("byte 0x{:02x}", static_cast<unsigned char>(*p)));
  return p + length;
}

void JsonReader::skip_space() noexcept {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
}

bool JsonReader::take_word(std::string_view word) noexcept {
  if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

void JsonReader::count_value() {
  if (++values_ <= limits_.values) return;
  throw Error(ErrorKind::limit, Fault{file_, "JSON, " + place(at_),
                                      fmt::format("at most {} keys and values", limits_.values), "more"});
}

std::string JsonReader::place(const char* at) const {
  const auto line = std::count(begin_, at, '\n') + 1;
  const char* start = at;
  while (start != begin_ && start[-1] != '\n') --start;
  return fmt::format("line {}, column {}", line, at - start + 1);
}

std::string JsonReader::found_here() const {
  if (at_ == end_) return "the end of the text";
  const auto c = static_cast<unsigned char>(*at_);
  if (c <= 0x20 || c >= 0x7f) return fmt::format("byte 0x{:02x}", c);
  return fmt::format("'{}'", *at_);
}

void JsonReader::fail(const char* at, std::string_view expected, std::string_view found) const {
  throw Error(ErrorKind::format,
              Fault{file_, "JSON, " + place(at), std::string(expected), std::string(found)});
}

}  // namespace moe
