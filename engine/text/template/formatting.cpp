// printf-style and brace-style formatting of text.
#include <cmath>

#include <fmt/format.h>

#include "engine/text/template/evaluator.h"
#include "engine/text/template/markup.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"
#include "engine/text/template/text_ops.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

constexpr std::int64_t kWidest = 1 << 20;  // more is refused, not computed
constexpr std::int64_t kMostPrecise = 1000;

// [[fill]align][sign][#][0][width][,][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = 0;
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  char grouping = 0;
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = 0;
};

std::int64_t read_number(std::string_view text, std::size_t& p, std::int64_t most) {
  std::int64_t n = 0;
  while (p < text.size() && text[p] >= '0' && text[p] <= '9') {
    n = n * 10 + (text[p++] - '0');
    if (n > most) throw Failure(ErrorKind::limit, "a width or precision in a format is too large");
  }
  return n;
}

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

Spec parse_spec(std::string_view text) {
  Spec spec;
  std::size_t p = 0;
  if (!text.empty()) {
    std::size_t after = 0;
    utf8::next(text, after);
    if (after < text.size() && is_align(text[after])) {
      spec.fill = text.substr(0, after);
      spec.align = text[after];
      p = after + 1;
    } else if (is_align(text[0])) {
      spec.align = text[0];
      p = 1;
    }
  }
  const auto at = [&](std::string_view chars) {
    return p < text.size() && chars.find(text[p]) != std::string_view::npos;
  };
  if (at("+- ")) spec.sign = text[p++];
  if (at("#")) {
    spec.alternate = true;
    ++p;
  }
  if (at("0")) {
    spec.zero = true;
    ++p;
  }
  spec.width = read_number(text, p, kWidest);
  if (at(",_")) spec.grouping = text[p++];
  if (at(".")) {
    ++p;
    if (!at("0123456789")) throw Failure("Format specifier missing precision");
    spec.precision = read_number(text, p, kMostPrecise);
  }
  if (p < text.size()) spec.type = text[p++];
  if (p != text.size()) throw Failure("Invalid format specifier");
  return spec;
}

std::string grouped(const std::string& digits, char separator, std::size_t each) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i && (digits.size() - i) % each == 0) out += separator;
    out += digits[i];
  }
  return out;
}

// Digits without a sign, as float's presentation types give them.
std::string real_digits(double value, char type, std::int64_t precision, bool alternate) {
  if (std::isnan(value)) return type >= 'A' && type <= 'Z' ? "NAN" : "nan";
  if (std::isinf(value)) return type >= 'A' && type <= 'Z' ? "INF" : "inf";
  const double v = std::fabs(value);
  if (type == 0 && precision < 0) return float_repr(v);
  std::int64_t p = precision < 0 ? 6 : precision;
  switch (type) {
    case 'f':
    case 'F':
      return alternate ? fmt::format("{:#.{}f}", v, p) : fmt::format("{:.{}f}", v, p);
    case 'e':
      return alternate ? fmt::format("{:#.{}e}", v, p) : fmt::format("{:.{}e}", v, p);
    case 'E':
      return alternate ? fmt::format("{:#.{}E}", v, p) : fmt::format("{:.{}E}", v, p);
    case 'g':
    case 'n':
      return fmt::format("{:.{}g}", v, p == 0 ? 1 : p);
    case 'G':
      return fmt::format("{:.{}G}", v, p == 0 ? 1 : p);
    case '%':
      return fmt::format("{:.{}f}%", v * 100, p);
    case 0: {
      std::string text = fmt::format("{:.{}g}", v, p == 0 ? 1 : p);
      if (text.find_first_of(".en") == std::string::npos) text += ".0";
      return text;
    }
    default:
      throw Failure(fmt::format("Unknown format code '{}' for object of type 'float'", type));
  }
}

std::string integer_digits(std::int64_t value, char type, bool alternate) {
  auto magnitude = static_cast<std::uint64_t>(value);
  if (value < 0) magnitude = ~magnitude + 1;
  switch (type) {
    case 'x':
      return fmt::format("{}{:x}", alternate ? "0x" : "", magnitude);
    case 'X':
      return fmt::format("{}{:X}", alternate ? "0X" : "", magnitude);
    case 'o':
      return fmt::format("{}{:o}", alternate ? "0o" : "", magnitude);
    case 'b':
      return fmt::format("{}{:b}", alternate ? "0b" : "", magnitude);
    default:
      return fmt::format("{}", magnitude);
  }
}

std::string padded(Interpreter& in, const std::string& text, const Spec& spec, char otherwise) {
  const char align = spec.align ? spec.align : otherwise;
  const Value value = in.string(text);
  const auto length = static_cast<std::int64_t>(value.as_text().length);
  if (align != '^' || spec.width <= length)
    return pad(in, value, spec.width, spec.fill, align == '<' ? '<' : '>');
  // format() centres with the odd blank on the right, unlike str.center
  const std::string left = pad(in, value, length + (spec.width - length) / 2, spec.fill, '>');
  return pad(in, in.string(left), spec.width, spec.fill, '<');
}

std::string with_sign(Interpreter& in, bool negative, std::string digits, Spec spec) {
  const std::string sign = negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
  if (spec.zero && !spec.align) {
    spec.align = '=';
    spec.fill.assign(1, '0');
  }
  if (spec.align == '=') {
    const auto room = spec.width - static_cast<std::int64_t>(sign.size());
    return sign + pad(in, in.string(digits), room, spec.fill, '>');
  }
  return padded(in, sign + digits, spec, '>');
}

std::string formatted(Interpreter& in, const Value& value, std::string_view text) {
  if (text.empty()) return str(value);
  const Spec spec = parse_spec(text);
  if (value.is_string() || value.is_undefined()) {
    if (spec.type != 0 && spec.type != 's') {
      throw Failure(fmt::format("Unknown format code '{}' for object of type 'str'", spec.type));
    }
    if (spec.align == '=') throw Failure("'=' alignment not allowed in string format specifier");
    std::string shown = str(value);
    if (spec.precision >= 0) shown.resize(byte_offset(shown, static_cast<std::size_t>(spec.precision)));
    return padded(in, shown, spec, '<');
  }
  if (value.is_integral() && std::string_view("\0dbxXon", 7).find(spec.type) != std::string_view::npos) {
    if (value.is(Kind::boolean) && spec.type == 0) return padded(in, str(value), spec, '<');
    std::string digits = integer_digits(value.as_integer(), spec.type, spec.alternate);
    if (spec.grouping) {
      const bool decimal = spec.type == 0 || spec.type == 'd';
      digits = grouped(digits, spec.grouping, decimal ? 3 : 4);
    }
    return with_sign(in, value.as_integer() < 0, digits, spec);
  }
  if (value.is_integral() && spec.type == 'c') {
    std::string out;
    utf8::append(out, static_cast<std::uint32_t>(std::clamp<std::int64_t>(value.as_integer(), 0, 0x10ffff)));
    return padded(in, out, spec, '<');
  }
  if (value.is_integral() || value.is(Kind::real)) {
    const double real = value.as_real();
    std::string digits = real_digits(real, spec.type, spec.precision, spec.alternate);
    if (spec.grouping) {
      const std::size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
      digits = grouped(digits.substr(0, end), spec.grouping, 3) + digits.substr(end);
    }
    return with_sign(in, std::signbit(real) && !std::isnan(real), digits, spec);
  }
  throw Failure(fmt::format("unsupported format string passed to {}.__format__", type_name(value)));
}

// ---- str.format

class BraceFormatter {
 public:
  BraceFormatter(Interpreter& in, const Arguments& arguments) : in_(in), arguments_(arguments) {}

  std::string run(std::string_view format, int depth, bool markup) {
    if (depth > 2) throw Failure("Max string recursion exceeded");
    std::string out;
    for (std::size_t p = 0; p < format.size();) {
      const char c = format[p];
      if (c != '{' && c != '}') {
        out += format[p++];
        continue;
      }
      if (p + 1 < format.size() && format[p + 1] == c) {
        out += c;
        p += 2;
        continue;
      }
      if (c == '}') throw Failure("Single '}' encountered in format string");
      ++p;
      if (p >= format.size()) throw Failure("Single '{' encountered in format string");
      const std::size_t end = end_of_field(format, p);
      out += field(format.substr(p, end - p), depth, markup);
      in_.heap().check_string(out.size());
      in_.spend(1 + out.size() / 64);
      p = end + 1;
    }
    return out;
  }

 private:
  static std::size_t end_of_field(std::string_view format, std::size_t p) {
    int nested = 0;
    for (; p < format.size(); ++p) {
      if (format[p] == '{') ++nested;
      if (format[p] == '}' && nested-- == 0) return p;
    }
    throw Failure("expected '}' before end of string");
  }

  std::string field(std::string_view text, int depth, bool markup) {
    std::size_t end = 0;
    int brackets = 0;
    while (end < text.size() && (brackets > 0 || (text[end] != '!' && text[end] != ':'))) {
      brackets += text[end] == '[';
      brackets -= text[end] == ']' && brackets > 0;
      ++end;
    }
    const std::string_view name = text.substr(0, end);
    std::string_view rest = text.substr(end);
    char conversion = 0;
    if (rest.starts_with('!')) {
      if (rest.size() < 2) throw Failure("end of string while looking for conversion specifier");
      conversion = rest[1];
      rest.remove_prefix(2);
    }
    if (!rest.empty() && rest[0] != ':') throw Failure("expected ':' after conversion specifier");
    Value value = lookup(name);
    if (conversion == 's') {
      value = in_.heap().string(str(value));
    } else if (conversion == 'r' || conversion == 'a') {
      value = in_.heap().string(repr(value));
    } else if (conversion != 0) {
      throw Failure(fmt::format("Unknown conversion specifier '{}'", conversion));
    }
    // After the value: both may number their fields automatically.
    const std::string spec = rest.empty() ? std::string() : run(rest.substr(1), depth + 1, false);
    std::string out = formatted(in_, value, spec);
    const bool safe = value.is_string() && value.as_text().markup;
    return markup && !safe ? escape_html(out) : out;
  }

  Value lookup(std::string_view name) {
    const std::size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, end));
    std::size_t p = end;
    while (p < name.size()) {
      if (name[p] == '.') {
        const std::size_t stop = std::min(name.find_first_of(".[", p + 1), name.size());
        value = in_.attribute(value, name.substr(p + 1, stop - p - 1));
        p = stop;
      } else {
        const std::size_t stop = name.find(']', p);
        if (name[p] != '[' || stop == std::string_view::npos) throw Failure("Missing ']' in format string");
        value = in_.item(value, key(name.substr(p + 1, stop - p - 1)));
        p = stop + 1;
      }
    }
    return value;
  }

  Value key(std::string_view text) {
    std::size_t p = 0;
    const std::int64_t index = read_number(text, p, std::int64_t{1} << 40);
    return !text.empty() && p == text.size() ? Value::integer(index) : in_.string(text);
  }

  Value argument(std::string_view name) {
    std::size_t p = 0;
    std::int64_t index = read_number(name, p, std::int64_t{1} << 40);
    if (p != name.size()) {
      for (const auto& [keyword, value] : arguments_.keywords) {
        if (keyword == name) return value;
      }
      throw Failure(string_repr(name));  // KeyError
    }
    const bool automatic = name.empty();
    if (next_ != 0 && automatic != (next_ > 0)) {
      throw Failure("cannot switch from manual field specification to automatic field numbering");
    }
    if (automatic) {
      index = next_;
      ++next_;
    } else {
      next_ = -1;
    }
    if (index >= static_cast<std::int64_t>(arguments_.positional.size())) {
      throw Failure("tuple index out of range");
    }
    return arguments_.positional[static_cast<std::size_t>(index)];
  }

  Interpreter& in_;
  const Arguments& arguments_;
  std::int64_t next_ = 0;  // of automatic numbering; -1 once fields are numbered
};

}  // namespace

Value brace_format(Interpreter& in, const Value& format, const Arguments& arguments) {
  const bool markup = format.as_text().markup;
  return in.heap().string(BraceFormatter(in, arguments).run(format.as_view(), 0, markup), markup);
}

Value percent_format(Interpreter& in, const Value& format, const Value& arguments) {
  const std::string_view text = format.as_view();
  const bool markup = format.as_text().markup;
  const bool is_tuple = arguments.is(Kind::tuple);
  const std::size_t given = is_tuple ? arguments.items().size() : 1;
  std::size_t used = 0;
  const auto take = [&]() -> Value {
    if (used >= given) throw Failure("not enough arguments for format string");
    const std::size_t i = used++;
    return is_tuple ? arguments.items()[i] : arguments;
  };
  const auto number = [](const Value& value, char type) {
    if (value.is_undefined()) fail_undefined(value);
    const bool whole = type == 'x' || type == 'X' || type == 'o' || type == 'c';
    if (value.is_integral() || (!whole && value.is(Kind::real))) return value;
    if (type == 'd' || type == 'i' || type == 'u') {
      throw Failure(fmt::format("%{} format: a real number is required, not {}", type, type_name(value)));
    }
    if (whole)
      throw Failure(fmt::format("%{} format: an integer is required, not {}", type, type_name(value)));
    throw Failure(fmt::format("must be real number, not {}", type_name(value)));
  };
  std::string out;
  bool used_mapping = false;
  for (std::size_t p = 0; p < text.size();) {
    if (text[p] != '%') {
      out += text[p++];
      continue;
    }
    ++p;
    Value named;
    bool has_name = false;
    if (p < text.size() && text[p] == '(') {
      const std::size_t close = text.find(')', p);
      if (close == std::string_view::npos) throw Failure("incomplete format key");
      if (!arguments.is_dict()) throw Failure("format requires a mapping");
      const std::string_view key = text.substr(p + 1, close - p - 1);
      const Value* found = arguments.as_dict().find(key);
      if (!found) throw Failure(string_repr(key));  // KeyError
      named = *found;
      has_name = used_mapping = true;
      p = close + 1;
    }
    Spec spec;
    bool left = false;
    for (; p < text.size() && std::string_view("-+ #0").find(text[p]) != std::string_view::npos; ++p) {
      if (text[p] == '-') left = true;
      if (text[p] == '+') spec.sign = '+';
      if (text[p] == ' ' && spec.sign != '+') spec.sign = ' ';
      if (text[p] == '#') spec.alternate = true;
      if (text[p] == '0') spec.zero = true;
    }
    const auto read_size = [&](std::int64_t most) -> std::int64_t {
      if (p < text.size() && text[p] == '*') {
        ++p;
        const Value size = take();
        if (!size.is_integral()) throw Failure("* wants int");
        if (std::abs(size.as_integer()) > most)
          throw Failure(ErrorKind::limit, "a width in a format is too large");
        return size.as_integer();
      }
      return read_number(text, p, most);
    };
    spec.width = read_size(kWidest);
    if (spec.width < 0) {
      left = true;
      spec.width = -spec.width;
    }
    if (p < text.size() && text[p] == '.') {
      ++p;
      spec.precision = std::max<std::int64_t>(read_size(kMostPrecise), 0);
    }
    while (p < text.size() && (text[p] == 'l' || text[p] == 'h' || text[p] == 'L')) ++p;
    if (p >= text.size()) throw Failure("incomplete format");
    const char type = text[p++];
    if (left) {
      spec.align = '<';
      spec.zero = false;
    }
    if (type == '%') {
      out += '%';
      continue;
    }
    const auto next = [&] { return has_name ? named : take(); };
    switch (type) {
      case 's':
      case 'r':
      case 'a': {
        const Value value = next();
        std::string shown = type == 's' ? str(value) : repr(value);
        if (markup && !(value.is_string() && value.as_text().markup)) shown = escape_html(shown);
        if (spec.precision >= 0) shown.resize(byte_offset(shown, static_cast<std::size_t>(spec.precision)));
        out += padded(in, shown, spec, '>');
        break;
      }
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o': {
        Value value = number(next(), type);
        if (value.is(Kind::real)) {
          if (!std::isfinite(value.as_real())) throw Failure("cannot convert float infinity to integer");
          if (std::fabs(value.as_real()) >= 9.2e18)
            throw Failure(ErrorKind::limit, "an integer grew beyond 64 bits");
          value = Value::integer(static_cast<std::int64_t>(value.as_real()));
        }
        std::string digits = integer_digits(value.as_integer(), type, spec.alternate);
        if (spec.precision > static_cast<std::int64_t>(digits.size())) {
          digits.insert(0, static_cast<std::size_t>(spec.precision) - digits.size(), '0');
        }
        out += with_sign(in, value.as_integer() < 0, digits, spec);
        break;
      }
      case 'f':
      case 'F':
      case 'e':
      case 'E':
      case 'g':
      case 'G': {
        const double value = number(next(), type).as_real();
        if (spec.precision < 0) spec.precision = 6;
        out += with_sign(in, std::signbit(value) && !std::isnan(value),
                         real_digits(value, type, spec.precision, spec.alternate), spec);
        break;
      }
      case 'c': {
        const Value value = next();
        std::string shown;
        if (value.is_string()) {
          if (value.as_text().length != 1) throw Failure("%c requires int or char");
          shown = value.as_view();
        } else {
          const std::int64_t code = number(value, type).as_integer();
          if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            throw Failure("%c arg not in range(0x110000)");
          utf8::append(shown, static_cast<std::uint32_t>(code));
        }
        out += padded(in, shown, spec, '>');
        break;
      }
      default: {
        throw Failure(fmt::format("unsupported format character '{}' (0x{:x}) at index {}", type,
                                  static_cast<unsigned>(static_cast<unsigned char>(type)),
                                  utf8::count(text.substr(0, p)) - 1));
      }
    }
    in.heap().check_string(out.size());
  }
  // A mapping need not be used up.
  if (!arguments.is_dict() && !arguments.is(Kind::list) && !used_mapping && used < given) {
    throw Failure("not all arguments converted during string formatting");
  }
  return in.heap().string(std::move(out), markup);
}

}  // namespace moe::jinja
