// From Oniguruma's dialect (Ruby's) to PCRE2's: what the two read differently is written out.
#include <fmt/format.h>

#include <vector>

#include "engine/base/error.h"
#include "engine/text/regex.h"
#include "engine/text/unicode.h"

namespace moe {
namespace {

// Oniguruma's \s is White_Space; PCRE2's has U+180E besides.
constexpr std::string_view space_body =
    R"(\x09-\x0d\x20\x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view not_space_body =
    R"(\x00-\x08\x0e-\x1f\x21-\x84\x86-\x9f\xa1-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";

bool is_word(unicode::Traits t) {
  const int c = t & unicode::category_mask;
  return (c >= unicode::Lu && c <= unicode::Nd) || c == unicode::Pc || (t & unicode::regex_word_extra) != 0;
}
const std::string& word_body() {
  static const std::string body = R"(\p{L}\p{M}\p{Nd}\p{Pc})" + unicode::class_ranges([](unicode::Traits t) {
                                    return (t & unicode::regex_word_extra) != 0;
                                  });
  return body;
}
const std::string& not_word_body() {
  static const std::string body = unicode::class_ranges([](unicode::Traits t) { return !is_word(t); });
  return body;
}

class Translator {
 public:
  Translator(std::string_view in, std::string_view file, std::string_view thing)
      : in_(in), file_(file), thing_(thing) {}

  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) {
    throw Error(ErrorKind::unsupported,
                Fault{std::string(file_), std::string(thing_), "a regular expression this build can run",
                      fmt::format("{} in '{}'", what, in_)});
  }

  void atom(std::string_view text) {
    atom_ = out_.size();
    out_ += text;
  }

  void step() {
    const char c = in_[at_];
    switch (c) {
      case '\\':
        escape();
        return;
      case '[':
        bracket();
        return;
      case '(':
        open();
        return;
      case ')':
        close();
        return;
      case '{':
        interval();
        return;
      case '*':
      case '+':
      case '?':
        out_ += c;
        ++at_;
        // A lazy or possessive mark belongs to this quantifier; anything after repeats the whole.
        if (at_ < in_.size() && (in_[at_] == '?' || in_[at_] == '+')) out_ += in_[at_++];
        return;
      default:
        atom(in_.substr(at_, 1));
        ++at_;
        // The bytes of one character stay one atom.
        while (at_ < in_.size() && (static_cast<unsigned char>(in_[at_]) & 0xc0) == 0x80) out_ += in_[at_++];
    }
  }

  void open() {
    if (++depth_ > 200) refuse("more than 200 nested groups");
    groups_.push_back(out_.size());
    out_ += '(';
    ++at_;
    if (in_.substr(at_, 2) == "?#") {  // a comment
      while (at_ < in_.size() && in_[at_] != ')') out_ += in_[at_++];
      return;
    }
    if (at_ >= in_.size() || in_[at_] != '?') return;
    out_ += in_[at_++];
    // Flags: Ruby's m lets the dot match a newline, which PCRE2 calls s.
    std::size_t end = at_;
    while (end < in_.size() && (in_[end] == 'i' || in_[end] == 'm' || in_[end] == 'x' || in_[end] == '-'))
      ++end;
    if (end > at_ && end < in_.size() && (in_[end] == ':' || in_[end] == ')')) {
      for (; at_ < end; ++at_) out_ += in_[at_] == 'm' ? 's' : in_[at_];
      if (in_[end] == ':') out_ += in_[at_++];
      return;
    }
    // Other openings are spelt alike: copy their marks so that '<', '=', '!' and names are not taken for
    // atoms.
    if (at_ < in_.size() && in_[at_] == '<' && at_ + 1 < in_.size() && in_[at_ + 1] != '=' &&
        in_[at_ + 1] != '!') {
      while (at_ < in_.size() && in_[at_] != '>') out_ += in_[at_++];
      return;
    }
    while (at_ < in_.size() &&
           (in_[at_] == '<' || in_[at_] == '=' || in_[at_] == '!' || in_[at_] == ':' || in_[at_] == '>'))
      out_ += in_[at_++];
  }

  void close() {
    out_ += ')';
    ++at_;
    if (groups_.empty()) return;  // PCRE2 will say so
    atom_ = groups_.back();
    groups_.pop_back();
    --depth_;
  }

  // {n}, {n,}, {n,m}, {,m}: a '+' after one repeats it, and a '?' after {n} makes it optional.
  void interval() {
    std::size_t end = at_ + 1;
    const auto digits = [&] {
      const std::size_t start = end;
      while (end < in_.size() && in_[end] >= '0' && in_[end] <= '9') ++end;
      return std::string(in_.substr(start, end - start));
    };
    std::string low = digits(), high;
    const bool comma = end < in_.size() && in_[end] == ',';
    if (comma) ++end, high = digits();
    if (end >= in_.size() || in_[end] != '}' || (low.empty() && high.empty())) {
      atom("\\{");  // not an interval: a brace
      ++at_;
      return;
    }
    at_ = end + 1;
    out_ += fmt::format("{{{}{}{}}}", low.empty() ? "0" : low, comma ? "," : "", high);
    const char after = at_ < in_.size() ? in_[at_] : ' ';
    if (after == '+' || (after == '?' && !comma)) {
      out_.insert(atom_, "(?:");
      out_ += ')';
    } else if (after == '?') {
      out_ += '?';
      ++at_;
    }
  }

  void escape() {
    if (at_ + 1 >= in_.size()) refuse("a lone backslash at the end");
    const char c = in_[at_ + 1];
    switch (c) {
      case 's':
        atom(fmt::format("[{}]", space_body));
        break;
      case 'S':
        atom(fmt::format("[^{}]", space_body));
        break;
      case 'w':
        atom(fmt::format("[{}]", word_body()));
        break;
      case 'W':
        atom(fmt::format("[^{}]", word_body()));
        break;
      case 'd':
        atom("\\p{Nd}");
        break;
      case 'D':
        atom("\\P{Nd}");
        break;
      case 'h':
        atom("[0-9a-fA-F]");
        break;
      case 'H':
        atom("[^0-9a-fA-F]");
        break;
      case 'b':
        atom(fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", word_body()));
        break;
      case 'B':
        atom(fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", word_body()));
        break;
      default:
        atom(plain_escape());
        return;
    }
    at_ += 2;
  }

  // \uHHHH, \p{...}, \x{...} and everything that is spelt alike.
  std::string plain_escape() {
    const char c = in_[at_ + 1];
    if (c == 'u' && at_ + 6 <= in_.size()) {
      std::string out = fmt::format("\\x{{{}}}", in_.substr(at_ + 2, 4));
      at_ += 6;
      return out;
    }
    std::size_t end = at_ + 2;
    while (end < in_.size() && (static_cast<unsigned char>(in_[end]) & 0xc0) == 0x80) ++end;
    if ((c == 'p' || c == 'P' || c == 'x' || c == 'o' || c == 'k' || c == 'g') && end < in_.size()) {
      const char opener = in_[end];
      const char closer = opener == '{' ? '}' : opener == '<' ? '>' : '\0';
      if (closer) {
        end = in_.find(closer, end);
        if (end == std::string_view::npos) refuse("an unclosed brace");
        ++end;
      }
    }
    std::string out(in_.substr(at_, end - at_));
    at_ = end;
    return out;
  }

  void bracket() {
    std::string body = "[";
    std::size_t first = ++at_;
    if (at_ < in_.size() && in_[at_] == '^') body += in_[at_++], first = at_;
    for (;;) {
      if (at_ >= in_.size()) refuse("an unclosed '['");
      const char c = in_[at_];
      if (c == ']' && at_ != first) break;
      if (c == '&' && in_.substr(at_, 2) == "&&") refuse("an intersection (&&) in brackets");
      if (c == '[') {
        if (in_.substr(at_, 2) != "[:") refuse("a set within a set");
        const std::size_t end = in_.find(":]", at_);
        if (end == std::string_view::npos) refuse("an unclosed POSIX class");
        body += in_.substr(at_, end + 2 - at_);
        at_ = end + 2;
        continue;
      }
      if (c != '\\') {
        body += c;
        ++at_;
        continue;
      }
      if (at_ + 1 >= in_.size()) refuse("a lone backslash at the end");
      std::string_view expanded;
      switch (in_[at_ + 1]) {
        case 's':
          expanded = space_body;
          break;
        case 'S':
          expanded = not_space_body;
          break;
        case 'w':
          expanded = word_body();
          break;
        case 'W':
          expanded = not_word_body();
          break;
        case 'd':
          expanded = "\\p{Nd}";
          break;
        case 'D':
          expanded = "\\P{Nd}";
          break;
        case 'h':
          expanded = "0-9a-fA-F";
          break;
        default:
          break;
      }
      if (expanded.empty()) {
        body += plain_escape();
      } else {
        body += expanded;
        at_ += 2;
      }
    }
    ++at_;
    body += ']';
    atom(body);
  }

  std::string_view in_, file_, thing_;
  std::string out_;
  std::size_t at_ = 0;
  std::size_t atom_ = 0;  // where the last atom starts in out_
  std::vector<std::size_t> groups_;
  int depth_ = 0;
};

}  // namespace

std::string pcre2_pattern(std::string_view oniguruma, std::string_view file, std::string_view thing) {
  return Translator(oniguruma, file, thing).run();
}

}  // namespace moe
