// The lexer: a loop over text up to the next tag, and over tokens inside a tag.
#include "engine/text/template/lexer.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "engine/text/template/repr.h"
#include "engine/text/template/text_ops.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

// Longest first.
constexpr std::array<std::string_view, 26> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                         "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                         ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

std::string normalise_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_digit_char(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalise_newlines(source)), text_(source_) {}

  std::vector<Token> run() {
    while (position_ < text_.size()) read_text_and_tag();
    push(TokenKind::end, line_);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw SyntaxFailure(message, line_); }

  bool starts(std::string_view prefix, std::size_t at) const {
    return text_.substr(at, prefix.size()) == prefix;
  }
  char peek(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }

  std::size_t skip_space(std::size_t at) const {
    while (at < text_.size()) {
      std::size_t next = at;
      if (!is_space(utf8::next(text_, next))) break;
      at = next;
    }
    return at;
  }

  void count_lines(std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) line_ += text_[i] == '\n';
  }

  Token& push(TokenKind kind, int line) {
    tokens_.emplace_back();
    tokens_.back().kind = kind;
    tokens_.back().line = line;
    return tokens_.back();
  }

  void push_data(std::string_view data, int line) {
    if (!data.empty()) push(TokenKind::data, line).text = data;
  }

  // Text before a tag, as the tag's sign and lstrip_blocks leave it.
  std::string_view trimmed_before(std::string_view data, char sign, bool variable) const {
    if (sign == '-') return strip(data, false, true);
    if (sign == '+' || variable) return data;
    const std::size_t newline = data.rfind('\n');
    const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    if (start == 0 && !line_starting_) return data;
    return strip(data.substr(start)).empty() ? data.substr(0, start) : data;
  }

  void read_text_and_tag() {
    std::size_t tag = position_;
    for (;; ++tag) {
      tag = text_.find('{', tag);
      if (tag == std::string_view::npos) {
        push_data(text_.substr(position_), line_);
        count_lines(position_, text_.size());
        position_ = text_.size();
        return;
      }
      const char c = peek(tag + 1);
      if (c == '{' || c == '%' || c == '#') break;
    }
    const char kind = text_[tag + 1];
    const std::string_view data = text_.substr(position_, tag - position_);
    const char sign = peek(tag + 2) == '-' || peek(tag + 2) == '+' ? text_[tag + 2] : '\0';
    push_data(trimmed_before(data, sign, kind == '{'), line_);
    count_lines(position_, tag);
    const std::size_t inside = tag + 2 + (sign != '\0');
    if (kind == '#') {
      read_comment(inside);
    } else if (kind == '%' && read_raw(inside)) {
      return;
    } else {
      push(kind == '%' ? TokenKind::block_begin : TokenKind::variable_begin, line_);
      position_ = inside;
      read_tag(kind == '%');
    }
  }

  // Consumes what follows a closing "%}" or "#}" whose first character stands at `close`.
  std::size_t after_close(std::size_t close, bool minus) const {
    if (minus) return skip_space(close + 2);
    return close + 2 + (peek(close + 2) == '\n');
  }

  void ended(std::size_t at) {
    line_starting_ = at > 0 && text_[at - 1] == '\n';
    position_ = at;
  }

  void read_comment(std::size_t at) {
    const std::size_t close = text_.find("#}", at);
    if (close == std::string_view::npos) fail("Missing end of comment tag");
    const bool minus = close > at && text_[close - 1] == '-';
    const bool plus = close > at && text_[close - 1] == '+';
    const std::size_t end = plus ? close + 2 : after_close(close, minus);
    count_lines(at, end);
    ended(end);
  }

  // {% raw %} ... {% endraw %}; false if this is another tag.
  bool read_raw(std::size_t at) {
    at = skip_space(at);
    if (!starts("raw", at)) return false;
    at = skip_space(at + 3);
    const bool minus = starts("-%}", at);
    if (!minus && !starts("%}", at)) return false;
    const std::size_t begin = minus ? skip_space(at + 3) : at + 2;
    count_lines(position_ > at ? at : at, begin);
    line_starting_ = begin > 0 && text_[begin - 1] == '\n';
    for (std::size_t tag = begin;; tag += 2) {
      tag = text_.find("{%", tag);
      if (tag == std::string_view::npos) fail("Missing end of raw directive");
      const char sign = peek(tag + 2) == '-' || peek(tag + 2) == '+' ? text_[tag + 2] : '\0';
      std::size_t p = skip_space(tag + 2 + (sign != '\0'));
      if (!starts("endraw", p)) continue;
      p = skip_space(p + 6);
      std::size_t end = 0;
      if (starts("+%}", p)) {
        end = p + 3;
      } else if (starts("-%}", p)) {
        end = skip_space(p + 3);
      } else if (starts("%}", p)) {
        end = after_close(p, false);
      } else {
        continue;
      }
      push_data(trimmed_before(text_.substr(begin, tag - begin), sign, false), line_);
      count_lines(begin, end);
      ended(end);
      return true;
    }
  }

  bool read_end_of_tag(bool block) {
    if (!brackets_.empty()) return false;
    const std::size_t at = position_;
    std::size_t end = 0;
    if (block) {
      if (starts("+%}", at)) {
        end = at + 3;
      } else if (starts("-%}", at)) {
        end = skip_space(at + 3);
      } else if (starts("%}", at)) {
        end = after_close(at, false);
      } else {
        return false;
      }
    } else if (starts("-}}", at)) {
      end = skip_space(at + 3);
    } else if (starts("}}", at)) {
      end = at + 2;
    } else {
      return false;
    }
    push(block ? TokenKind::block_end : TokenKind::variable_end, line_);
    count_lines(at, end);
    ended(end);
    return true;
  }

  void read_tag(bool block) {
    brackets_.clear();
    while (position_ < text_.size()) {
      if (read_end_of_tag(block)) return;
      const std::size_t after_space = skip_space(position_);
      if (after_space > position_) {
        count_lines(position_, after_space);
        position_ = after_space;
        continue;
      }
      if (read_number() || read_name() || read_string() || read_operator()) continue;
      std::size_t next = position_;
      utf8::next(text_, next);
      fail(fmt::format("unexpected char {} at {}", string_repr(text_.substr(position_, next - position_)),
                       utf8::count(text_.substr(0, position_))));
    }
  }

  // digits, possibly _ separated, from `at`; returns the end, or `at` if there are none
  std::size_t digits(std::size_t at) const {
    std::size_t p = at;
    while (is_digit_char(peek(p)) || (p > at && peek(p) == '_' && is_digit_char(peek(p + 1)))) ++p;
    return p;
  }

  std::size_t exponent(std::size_t at) const {
    if (peek(at) != 'e' && peek(at) != 'E') return at;
    std::size_t p = at + 1;
    if (peek(p) == '+' || peek(p) == '-') ++p;
    const std::size_t end = digits(p);
    return end > p ? end : at;
  }

  std::string without_underscores(std::size_t from, std::size_t to) const {
    std::string out;
    for (const char c : text_.substr(from, to - from)) {
      if (c != '_') out += c;
    }
    return out;
  }

  bool read_number() {
    const std::size_t at = position_;
    if (!is_digit_char(peek(at))) return false;
    const std::size_t whole = digits(at);
    if (at == 0 || text_[at - 1] != '.') {
      std::size_t end = whole;
      if (peek(end) == '.') {
        const std::size_t fraction = digits(end + 1);
        if (fraction > end + 1) end = exponent(fraction);
      } else {
        end = exponent(end);
      }
      if (end > whole) {
        push(TokenKind::real, line_).real = parse_double(without_underscores(at, end));
        position_ = end;
        return true;
      }
    }
    read_integer(whole);
    return true;
  }

  void read_integer(std::size_t whole) {
    const std::size_t at = position_;
    int base = 10;
    std::size_t end = whole;
    if (peek(at) == '0') {
      const char marker = static_cast<char>(peek(at + 1) | 0x20);
      const int marked = marker == 'x' ? 16 : marker == 'o' ? 8 : marker == 'b' ? 2 : 0;
      const auto of_base = [marked](char c) {
        const int v = is_digit_char(c)                         ? c - '0'
                      : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                               : 99;
        return v < marked;
      };
      std::size_t p = at + 2;
      if (marked != 0) {
        while (of_base(peek(p)) || (peek(p) == '_' && of_base(peek(p + 1)))) ++p;
      }
      if (marked != 0 && p > at + 2) {
        base = marked;
        end = p;
      } else {
        end = at + 1;  // zeros only: another digit starts another number
        while (peek(end) == '0' || (peek(end) == '_' && peek(end + 1) == '0')) ++end;
      }
    }
    const std::string number = without_underscores(at + (base == 10 ? 0 : 2), end);
    std::int64_t value = 0;
    const auto [last, ec] = std::from_chars(number.data(), number.data() + number.size(), value, base);
    if (ec != std::errc{}) fail("integer " + number + " is too large");
    push(TokenKind::integer, line_).integer = value;
    position_ = end;
  }

  bool read_name() {
    std::size_t p = position_;
    bool valid = true;
    while (p < text_.size()) {
      std::size_t next = p;
      const std::uint32_t c = utf8::next(text_, next);
      if (!is_word(c) && !(c >= 0x80 && is_identifier_part(c))) break;
      valid = valid && (p == position_ ? is_identifier_start(c) : is_identifier_part(c));
      p = next;
    }
    if (p == position_) return false;
    if (!valid) fail("Invalid character in identifier");
    push(TokenKind::name, line_).text = text_.substr(position_, p - position_);
    position_ = p;
    return true;
  }

  bool read_string() {
    const char quote = peek(position_);
    if (quote != '\'' && quote != '"') return false;
    std::size_t p = position_ + 1;
    while (p < text_.size() && text_[p] != quote) p += text_[p] == '\\' ? 2 : 1;
    if (p >= text_.size()) return false;  // reported as an unexpected character
    push(TokenKind::string, line_).text = unescape(text_.substr(position_ + 1, p - position_ - 1));
    count_lines(position_, p + 1);
    position_ = p + 1;
    return true;
  }

  std::uint32_t hex_escape(std::string_view body, std::size_t& p, std::size_t count, const char* form) const {
    std::uint32_t value = 0;
    if (p + count > body.size()) fail(fmt::format("truncated {} escape", form));
    for (std::size_t i = 0; i < count; ++i) {
      std::uint32_t digit = 0;
      const auto [end, ec] = std::from_chars(&body[p + i], &body[p + i] + 1, digit, 16);
      if (ec != std::errc{} || end != &body[p + i] + 1) fail(fmt::format("truncated {} escape", form));
      value = value * 16 + digit;
    }
    p += count;
    if (value > 0x10ffff) fail("illegal Unicode character");
    if (value >= 0xd800 && value < 0xe000) {
      throw SyntaxFailure("a string with a lone surrogate cannot be written as UTF-8", line_,
                          ErrorKind::unsupported);
    }
    return value;
  }

  // Python's string escapes.
  std::string unescape(std::string_view body) const {
    std::string out;
    for (std::size_t p = 0; p < body.size();) {
      const char c = body[p++];
      if (c != '\\') {
        out += c;
        continue;
      }
      if (p >= body.size()) fail("\\ at end of string");
      const char e = body[p++];
      switch (e) {
        case '\n':
          break;
        case '\\':
        case '\'':
        case '"':
          out += e;
          break;
        case 'a':
          out += '\a';
          break;
        case 'b':
          out += '\b';
          break;
        case 'f':
          out += '\f';
          break;
        case 'n':
          out += '\n';
          break;
        case 'r':
          out += '\r';
          break;
        case 't':
          out += '\t';
          break;
        case 'v':
          out += '\v';
          break;
        case 'x':
          utf8::append(out, hex_escape(body, p, 2, "\\xXX"));
          break;
        case 'u':
          utf8::append(out, hex_escape(body, p, 4, "\\uXXXX"));
          break;
        case 'U':
          utf8::append(out, hex_escape(body, p, 8, "\\UXXXXXXXX"));
          break;
        case 'N':
          throw SyntaxFailure("\\N{...} escapes are not supported", line_, ErrorKind::unsupported);
        default:
          if (e >= '0' && e <= '7') {
            std::uint32_t value = static_cast<std::uint32_t>(e - '0');
            for (int i = 0; i < 2 && p < body.size() && body[p] >= '0' && body[p] <= '7'; ++i) {
              value = value * 8 + static_cast<std::uint32_t>(body[p++] - '0');
            }
            utf8::append(out, value);
          } else {
            out += '\\';
            out += e;
          }
      }
    }
    return out;
  }

  bool read_operator() {
    for (const std::string_view op : kOperators) {
      if (!starts(op, position_)) continue;
      if (op == "(" || op == "[" || op == "{") {
        brackets_ += op == "(" ? ')' : op == "[" ? ']' : '}';
      } else if (op == ")" || op == "]" || op == "}") {
        if (brackets_.empty()) fail(fmt::format("unexpected '{}'", op));
        const char expected = brackets_.back();
        brackets_.pop_back();
        if (expected != op[0]) fail(fmt::format("unexpected '{}', expected '{}'", op, expected));
      }
      push(TokenKind::op, line_).text = op;
      position_ += op.size();
      return true;
    }
    return false;
  }

  std::string source_;
  std::string_view text_;
  std::size_t position_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::string brackets_;  // closers that are still due
  std::vector<Token> tokens_;
};

}  // namespace

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "template data / text";
    case TokenKind::variable_begin:
      return "begin of print statement";
    case TokenKind::variable_end:
      return "end of print statement";
    case TokenKind::block_begin:
      return "begin of statement block";
    case TokenKind::block_end:
      return "end of statement block";
    case TokenKind::name:
    case TokenKind::op:
      return token.text;
    case TokenKind::string:
      return "string";
    case TokenKind::integer:
      return "integer";
    case TokenKind::real:
      return "float";
    case TokenKind::end:
      return "end of template";
  }
  return {};
}

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace moe::jinja
