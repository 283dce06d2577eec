// Text forms of values, character for character as Python writes them.
#include "engine/text/template/repr.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

constexpr std::size_t kLongestText = std::size_t{64} << 20;

// Values may share parts, so their text can grow exponentially: charged as it is written.
void grown(const std::string& out, std::size_t& charged) {
  if (out.size() < charged + 256) return;
  charge((out.size() - charged) / 16);
  charged = out.size();
  if (out.size() > kLongestText) throw Failure(ErrorKind::limit, "the text of a value is too long");
}

void append_string_repr(std::string& out, std::string_view text) {
  const bool single = text.find('\'') != std::string_view::npos;
  const bool twice = text.find('"') != std::string_view::npos;
  const char quote = single && !twice ? '"' : '\'';
  out += quote;
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t at = p;
    const std::uint32_t c = utf8::next(text, p);
    if (c == static_cast<std::uint32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      out += text.substr(at, p - at);
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", c);
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += fmt::format("\\U{:08x}", c);
    }
  }
  out += quote;
}

void append_repr(std::string& out, const Value& value, int depth, std::size_t& charged) {
  check_depth(depth);
  charge(1);
  switch (value.kind()) {
    case Kind::undefined:
      out += "Undefined";
      break;
    case Kind::none:
      out += "None";
      break;
    case Kind::boolean:
      out += value.as_boolean() ? "True" : "False";
      break;
    case Kind::integer:
      out += std::to_string(value.as_integer());
      break;
    case Kind::big_integer:
      out += value.as_view();
      break;
    case Kind::real:
      out += float_repr(value.as_real());
      break;
    case Kind::string:
      if (value.as_text().markup) out += "Markup(";
      append_string_repr(out, value.as_view());
      if (value.as_text().markup) out += ')';
      break;
    case Kind::list:
    case Kind::tuple: {
      const auto& items = value.items();
      const bool tuple = value.is(Kind::tuple);
      out += tuple ? '(' : '[';
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (i) out += ", ";
        append_repr(out, items[i], depth + 1, charged);
      }
      if (tuple && items.size() == 1) out += ',';
      out += tuple ? ')' : ']';
      break;
    }
    case Kind::dict: {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : value.as_dict().entries()) {
        if (!first) out += ", ";
        first = false;
        append_repr(out, key, depth + 1, charged);
        out += ": ";
        append_repr(out, item, depth + 1, charged);
      }
      out += '}';
      break;
    }
    case Kind::object:
      out += value.as_object().repr(depth + 1);
      break;
  }
  grown(out, charged);
}

void append_json_string(std::string& out, std::string_view text, bool ensure_ascii) {
  out += '"';
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t at = p;
    const std::uint32_t c = utf8::next(text, p);
    switch (c) {
      case '"':
        out += "\\\"";
        continue;
      case '\\':
        out += "\\\\";
        continue;
      case '\n':
        out += "\\n";
        continue;
      case '\r':
        out += "\\r";
        continue;
      case '\t':
        out += "\\t";
        continue;
      case '\f':
        out += "\\f";
        continue;
      case '\b':
        out += "\\b";
        continue;
      default:
        break;
    }
    if (c < 0x20 || (ensure_ascii && c > 0x7e && c < 0x10000)) {
      if (c == 0x7f) {
        out += '\x7f';
      } else {
        out += fmt::format("\\u{:04x}", c);
      }
    } else if (ensure_ascii && c >= 0x10000) {
      const std::uint32_t v = c - 0x10000;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (v >> 10), 0xdc00 + (v & 0x3ff));
    } else {
      out += text.substr(at, p - at);
    }
  }
  out += '"';
}

std::string json_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return float_repr(value);
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}
  std::string out;

  void write(const Value& value, int depth) {
    check_depth(depth);
    charge(1);
    switch (value.kind()) {
      case Kind::none:
        out += "null";
        break;
      case Kind::boolean:
        out += value.as_boolean() ? "true" : "false";
        break;
      case Kind::integer:
        out += std::to_string(value.as_integer());
        break;
      case Kind::big_integer:
        out += value.as_view();
        break;
      case Kind::real:
        out += json_float(value.as_real());
        break;
      case Kind::string:
        append_json_string(out, value.as_view(), style_.ensure_ascii);
        break;
      case Kind::list:
      case Kind::tuple:
        write_list(value.items(), depth);
        break;
      case Kind::dict:
        write_dict(value.as_dict(), depth);
        break;
      case Kind::undefined:
      case Kind::object:
        throw Failure("Object of type " + type_name(value) + " is not JSON serializable");
    }
    grown(out, charged_);
  }

 private:
  void new_line(int depth) {
    if (!style_.indented) return;
    out += '\n';
    for (int i = 0; i < depth; ++i) out += style_.indent;
  }

  void write_list(const std::vector<Value>& items, int depth) {
    if (items.empty()) {
      out += "[]";
      return;
    }
    out += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i) out += style_.item_separator;
      new_line(depth + 1);
      write(items[i], depth + 1);
    }
    new_line(depth);
    out += ']';
  }

  void write_dict(const Dict& dict, int depth) {
    if (dict.size() == 0) {
      out += "{}";
      return;
    }
    std::vector<Dict::Entry> entries = dict.entries();
    charge(entries.size());
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto& a, const auto& b) { return less(a.first, b.first); });
    }
    out += '{';
    bool first = true;
    for (const auto& [key, item] : entries) {
      if (!first) out += style_.item_separator;
      first = false;
      new_line(depth + 1);
      write_key(key);
      out += style_.key_separator;
      write(item, depth + 1);
    }
    new_line(depth);
    out += '}';
  }

  void write_key(const Value& key) {
    if (key.is_string()) {
      append_json_string(out, key.as_view(), style_.ensure_ascii);
    } else if (key.is(Kind::real)) {
      out += '"' + json_float(key.as_real()) + '"';
    } else if (key.is(Kind::boolean)) {
      out += key.as_boolean() ? "\"true\"" : "\"false\"";
    } else if (key.is_none()) {
      out += "\"null\"";
    } else if (key.is_number()) {
      out += '"' + repr(key) + '"';
    } else {
      throw Failure("keys must be str, int, float, bool or None, not " + type_name(key));
    }
  }

  const JsonStyle& style_;
  std::size_t charged_ = 0;
};

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // Shortest digits that read back the same, laid out as Python does: an exponent below -4 and from 16 on.
  char buffer[64];
  const auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  std::string out;
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, text.data() + text.size(), exponent);
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c != '.') digits += c;
  }
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += '.' + digits.substr(1);
    out += fmt::format("e{}{:02d}", exponent < 0 ? '-' : '+', std::abs(exponent));
  } else if (exponent < 0) {
    out += "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  } else if (count <= exponent + 1) {
    out += digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  } else {
    out += digits.substr(0, static_cast<std::size_t>(exponent) + 1) + '.' +
           digits.substr(static_cast<std::size_t>(exponent) + 1);
  }
  return out;
}

std::string string_repr(std::string_view text) {
  std::string out;
  append_string_repr(out, text);
  return out;
}

std::string repr(const Value& value, int depth) {
  std::string out;
  std::size_t charged = 0;
  append_repr(out, value, depth, charged);
  return out;
}

std::string str(const Value& value) {
  std::string out;
  append_str(out, value);
  return out;
}

void append_str(std::string& out, const Value& value) {
  if (value.is_string()) {
    out += value.as_view();
  } else if (!value.is_undefined()) {
    out += repr(value);
  }
}

std::string to_json(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  writer.write(value, 0);
  return std::move(writer.out);
}

}  // namespace moe::jinja
