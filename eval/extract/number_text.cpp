// Plain numbers in running text.
#include "eval/extract/number_text.h"

#include <array>
#include <utility>

#include "eval/extract/scan.h"

namespace moe::eval {
namespace {

constexpr std::array<std::string_view, 6> kMinusSigns = {"-",      "\u2212", "\u2013",
                                                         "\u2010", "\u2011", "\ufe63"};
constexpr std::array<std::string_view, 6> kCurrency = {"$", "\u20ac", "\u00a3", "\u00a5", "\u20b9", "\\$"};

bool has_at(std::string_view text, std::size_t at, std::string_view what) {
  return at <= text.size() && text.substr(at, what.size()) == what;
}

std::size_t digits_end(std::string_view text, std::size_t at) {
  while (at < text.size() && is_ascii_digit(text[at])) ++at;
  return at;
}

// Digits with well-placed thousands separators: a comma, a thin space or an apostrophe before exactly three
// digits. Appends the bare digits to `out`.
std::size_t read_whole(std::string_view text, std::size_t at, std::string& out) {
  std::size_t end = digits_end(text, at);
  out += text.substr(at, end - at);
  if (end == at || end - at > 3) return end;
  constexpr std::array<std::string_view, 5> kSeparators = {",", "\u2009", "\u202f", "\u00a0", "'"};
  for (const std::string_view separator : kSeparators) {
    bool any = false;
    while (has_at(text, end, separator)) {
      const std::size_t group = end + separator.size();
      const std::size_t group_end = digits_end(text, group);
      if (group_end - group != 3) break;
      out += text.substr(group, 3);
      end = group_end;
      any = true;
    }
    if (any) break;
  }
  return end;
}

// What is left of a sign or currency mark before the digits at `at`: moves `begin` back over them.
bool read_sign(std::string_view text, std::size_t& begin, std::size_t from) {
  bool negative = false;
  for (bool moved = true; moved;) {
    moved = false;
    for (const std::string_view mark : kCurrency) {
      if (begin >= from + mark.size() && has_at(text, begin - mark.size(), mark)) {
        begin -= mark.size();
        moved = true;
      }
    }
    if (negative) continue;
    for (const std::string_view sign : kMinusSigns) {
      if (begin < from + sign.size() || !has_at(text, begin - sign.size(), sign)) continue;
      const CodePoint before = code_point_before(text, begin - sign.size());
      const bool joins =
          before.bytes > 0 && (is_word(before.value) || before.value == ')' || before.value == '%' ||
                               before.value == '-' || before.value == '.');
      if (joins) continue;
      begin -= sign.size();
      negative = moved = true;
      break;
    }
  }
  return negative;
}

// Powers of ten said in words: the number of zeros, or 0.
std::size_t zeros_of_word(std::string_view text, std::size_t at, std::size_t& end) {
  constexpr std::array<std::pair<std::string_view, std::size_t>, 5> kWords = {
      {{"hundred", 2}, {"thousand", 3}, {"million", 6}, {"billion", 9}, {"trillion", 12}}};
  const std::size_t word = skip_space(text, at);
  if (word == at) return 0;
  for (const auto& [name, zeros] : kWords) {
    if (!starts_with_nocase(text, word, name)) continue;
    if (!is_word_boundary(text, word + name.size())) continue;
    end = word + name.size();
    return zeros;
  }
  return 0;
}

void shift_point(std::string& whole, std::string& fraction, std::size_t zeros) {
  for (std::size_t i = 0; i < zeros; ++i) {
    if (fraction.empty()) {
      whole += '0';
    } else {
      whole += fraction.front();
      fraction.erase(0, 1);
    }
  }
}

// "/b" after a whole number: its denominator's digits, or nothing.
std::string read_denominator(std::string_view text, std::size_t at, std::size_t& end) {
  if (!has_at(text, at, "/")) return {};
  const std::size_t begin = at + 1;
  const std::size_t stop = digits_end(text, begin);
  if (stop == begin || has_at(text, stop, "/")) return {};  // 1/2/2024 is a date
  end = stop;
  return std::string(text.substr(begin, stop - begin));
}

// a b/c as (a*c + b)/c in decimal digits; short parts only, so that plain integers suffice.
std::optional<std::string> mixed(const std::string& whole, const std::string& top,
                                 const std::string& bottom) {
  if (whole.size() > 6 || top.size() > 6 || bottom.size() > 6) return std::nullopt;
  const long long w = std::stoll(whole), t = std::stoll(top), b = std::stoll(bottom);
  if (b == 0 || t >= b) return std::nullopt;
  return std::to_string(w * b + t) + "/" + bottom;
}

// Reads the number whose digits (or leading point) begin at `at`.
NumberInText read_number(std::string_view text, std::size_t at, std::size_t from) {
  NumberInText out;
  out.begin = at;
  const bool negative = read_sign(text, out.begin, from);
  std::string whole, fraction;
  std::size_t end = read_whole(text, at, whole);
  if (has_at(text, end, ".")) {
    const std::size_t stop = digits_end(text, end + 1);
    if (stop > end + 1) {
      fraction = text.substr(end + 1, stop - end - 1);
      end = stop;
    }
  }
  std::string bottom;
  if (fraction.empty() && !whole.empty()) {
    bottom = read_denominator(text, end, end);
    const std::size_t next = skip_space(text, end);
    if (bottom.empty() && next > end) {
      std::size_t stop = digits_end(text, next);
      const std::string top(text.substr(next, stop - next));
      if (!top.empty()) {
        std::string second = read_denominator(text, stop, stop);
        const auto value = second.empty() ? std::nullopt : mixed(whole, top, second);
        if (value) {
          whole = value->substr(0, value->find('/'));
          bottom = second;
          end = stop;
        }
      }
    }
  }
  if (bottom.empty()) shift_point(whole, fraction, zeros_of_word(text, end, end));
  if (whole.empty()) whole.push_back('0');
  if (negative) out.value += '-';
  out.value += whole;
  if (!fraction.empty()) out.value += "." + fraction;
  if (!bottom.empty()) out.value += "/" + bottom;
  if (has_at(text, end, "%")) ++end;
  if (has_at(text, end, "\\%")) end += 2;
  out.end = end;
  return out;
}

}  // namespace

std::optional<NumberInText> next_number(std::string_view text, std::size_t from) {
  for (std::size_t at = from; at < text.size(); ++at) {
    const bool digit = is_ascii_digit(text[at]);
    const bool point = text[at] == '.' && at + 1 < text.size() && is_ascii_digit(text[at + 1]);
    if (!digit && !point) continue;
    const CodePoint before = code_point_before(text, at);
    const bool glued = before.bytes > 0 && (is_word(before.value) || (point && before.value == '.'));
    if (!glued) return read_number(text, at, from);
    while (at + 1 < text.size() && (is_ascii_digit(text[at + 1]) || (digit && text[at + 1] == '.'))) ++at;
  }
  return std::nullopt;
}

std::optional<NumberInText> last_number(std::string_view text) {
  std::optional<NumberInText> last;
  for (auto found = next_number(text, 0); found; found = next_number(text, found->end)) last = found;
  return last;
}

std::optional<std::string> number_alone(std::string_view dressed) {
  const std::string plain = undress(dressed);
  std::string_view text = plain;
  const std::size_t equals = text.rfind('=');
  if (equals != std::string_view::npos) text = text.substr(equals + 1);
  const auto number = next_number(text, 0);
  if (!number || next_number(text, number->end)) return std::nullopt;
  // What stands around it may only be words, spaces and closing punctuation: an operator makes it an
  // expression.
  for (const std::string_view side : {text.substr(0, number->begin), text.substr(number->end)}) {
    for (const char c : side) {
      if (c == '+' || c == '*' || c == '^' || c == '_' || c == '\\' || c == '<' || c == '>' || c == '!' ||
          is_ascii_digit(c)) {
        return std::nullopt;
      }
    }
  }
  // A letter against the last digit is a unit (5kg) only if it is a word, not a variable (5x).
  if (number->end < text.size() && is_ascii_letter(text[number->end]) &&
      (number->end + 1 >= text.size() || !is_ascii_letter(text[number->end + 1])) &&
      equals == std::string_view::npos) {
    const char unit = lower_ascii(text[number->end]);
    if (unit == 'x' || unit == 'y' || unit == 'z' || unit == 'n') return std::nullopt;
  }
  return number->value;
}

std::string undress(std::string_view text) {
  // Commands that vanish, and commands that vanish but leave what their braces hold.
  constexpr std::array<std::string_view, 14> kGone = {
      "\\left", "\\right", "\\displaystyle", "\\quad", "\\(", "\\)", "\\[", "\\]", "\\,", "\\!", "\\;", "\\:",
      "\\ ",    "\\~"};
  constexpr std::array<std::string_view, 13> kWrappers = {
      "\\boxed",  "\\fbox", "\\textbf", "\\textit", "\\text", "\\mathrm",   "\\mathbf",
      "\\mathit", "\\mbox", "\\bold",   "\\mathsf", "\\emph", "\\underline"};
  std::string out;
  std::string braces;  // what each open brace will turn into when it closes: 'x' nothing, '/' a fraction bar,
                       // '}' itself
  char pending = 0;    // what the next opening brace is
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\\') {
      bool handled = false;
      for (const std::string_view word :
           {std::string_view("\\dfrac"), std::string_view("\\tfrac"), std::string_view("\\frac")}) {
        if (has_at(text, at, word) && has_at(text, at + word.size(), "{")) {
          pending = '/';
          at += word.size();
          handled = true;
          break;
        }
      }
      if (!handled) {
        for (const std::string_view word : kWrappers) {
          if (has_at(text, at, word) && has_at(text, at + word.size(), "{")) {
            pending = 'x';
            at += word.size();
            handled = true;
            break;
          }
        }
      }
      if (!handled) {
        for (const std::string_view word : kGone) {
          if (has_at(text, at, word)) {
            at += word.size();
            handled = true;
            break;
          }
        }
      }
      if (handled) continue;
      if (at + 1 < text.size() && (text[at + 1] == '$' || text[at + 1] == '%')) {
        out += text[at + 1];
        at += 2;
        continue;
      }
      out += text[at++];
      if (at < text.size()) out += text[at++];
      continue;
    }
    if (has_at(text, at, "{,}")) {
      out += ',';
      at += 3;
    } else if (text[at] == '{') {
      if (pending == '/' && !out.empty() && is_ascii_digit(out.back())) out += ' ';  // a mixed number
      braces += pending ? pending : '}';
      if (!pending) out += '{';
      pending = 0;
      ++at;
    } else if (text[at] == '}') {
      const char kind = braces.empty() ? '}' : braces.back();
      if (!braces.empty()) braces.pop_back();
      if (kind == '/') {
        out += '/';
        if (has_at(text, at + 1, "{")) pending = 'x';
      } else if (kind == '}') {
        out += '}';
      }
      ++at;
    } else if (text[at] == '*' && (has_at(text, at, "**") || (!out.empty() && out.back() == '*'))) {
      at += has_at(text, at, "**") ? 2 : 1;
    } else if (text[at] == '`' || text[at] == '$') {
      // A dollar sign may be money or a formula's edge: neither is part of the value.
      ++at;
    } else {
      out += text[at++];
    }
  }
  return out;
}

}  // namespace moe::eval
