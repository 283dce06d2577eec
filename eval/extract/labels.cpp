// Reading option labels and formulas out of a piece of a response.
#include "eval/extract/labels.h"

#include <algorithm>

#include "eval/extract/number_text.h"
#include "eval/extract/scan.h"

namespace moe::eval {
namespace {

const std::vector<std::string>& labels_of(const Question& question) {
  static const std::vector<std::string> letters = {"A", "B", "C", "D", "E"};
  return question.labels.empty() ? letters : question.labels;
}

// The label at `at`, standing as a word of its own; the longest one, so that label 1 is not read out of 10.
const std::string* label_at(const Question& question, std::string_view text, std::size_t at, bool any_case) {
  if (!is_word_boundary(text, at)) return nullptr;
  for (const std::string& label : labels_of(question)) {
    if (label.empty()) continue;
    const bool same =
        any_case ? starts_with_nocase(text, at, lower_ascii(label)) : text.substr(at, label.size()) == label;
    if (!same || !is_word_boundary(text, at + label.size())) continue;
    const std::size_t end = at + label.size();
    const bool number = is_ascii_digit(label.back());
    // 3.5, 3,000 and 3/4 are numbers, not label 3.
    if (number && end + 1 < text.size() &&
        std::string_view(".,/").find(text[end]) != std::string_view::npos && is_ascii_digit(text[end + 1])) {
      continue;
    }
    if (number && at > 0 && std::string_view(".,/-").find(text[at - 1]) != std::string_view::npos && at > 1 &&
        is_ascii_digit(text[at - 2])) {
      continue;
    }
    return &label;
  }
  return nullptr;
}

// "A dog", "a bond": a label that is also the article, followed by a word.
bool is_article(std::string_view text, std::size_t at, const std::string& label) {
  if (label != "A" && label != "a") return false;
  const std::size_t end = at + label.size();
  const std::size_t next = skip_space(text, end);
  if (next == end || next >= text.size()) return false;
  return text[next] >= 'a' && text[next] <= 'z' && text.substr(next, 3) != "is " &&
         text.substr(next, 3) != "or " && text.substr(next, 4) != "and ";
}

bool is_dressing(char c) {
  return std::string_view(" \t\r\n()[]{}*_`\"'.:,-").find(c) != std::string_view::npos;
}

std::size_t skip_dressing(std::string_view text, std::size_t at) {
  while (at < text.size() && is_dressing(text[at])) ++at;
  return at;
}

std::string plain_words(std::string_view text) {
  std::string out = lower_ascii(collapse_space(text));
  while (!out.empty() && (out.back() == '.' || out.back() == ' ')) out.pop_back();
  return out;
}

std::size_t line_break(std::string_view text) { return std::min(text.find('\n'), text.size()); }

}  // namespace

std::optional<std::string> whole_label(const Question& question, std::string_view dressed) {
  if (dressed.size() > 200) return std::nullopt;
  const std::string text = undress(dressed);
  const std::size_t at = skip_dressing(text, 0);
  const std::string* label = label_at(question, text, at, true);
  if (!label || skip_dressing(text, at + label->size()) != text.size()) return std::nullopt;
  return *label;
}

std::optional<std::string> leading_label(const Question& question, std::string_view dressed) {
  const std::string text = undress(dressed.substr(0, 200));
  std::size_t at = skip_dressing(text, 0);
  bool named = false;
  for (const std::string_view word : {"option", "choice", "answer", "letter", "label"}) {
    if (starts_with_nocase(text, at, word) && is_word_boundary(text, at + word.size())) {
      at = skip_dressing(text, at + word.size());
      named = true;
    }
  }
  const std::string* label = label_at(question, text, at, true);
  if (!label) return std::nullopt;
  // In lower case a lone letter is mostly a word; brackets, a stop or the end of the line set it apart.
  const std::size_t end = at + label->size();
  const bool same_case = text.compare(at, label->size(), *label) == 0;
  const std::size_t next = text.find_first_not_of(" \t", end);
  const bool apart =
      next == std::string::npos || std::string_view(").:,]}*\n-").find(text[next]) != std::string_view::npos;
  if (apart || named) return *label;
  if (!same_case || is_article(text, at, *label)) return std::nullopt;
  // "3 apples" names a count, not option 3.
  if (is_ascii_digit(label->back())) return std::nullopt;
  return *label;
}

std::optional<std::string> last_lone_label(const Question& question, std::string_view text) {
  for (std::size_t at = text.size(); at-- > 0;) {
    const std::string* label = label_at(question, text, at, false);
    if (!label || is_article(text, at, *label)) continue;
    // An apostrophe makes it part of a word or a quantity (A's, 3').
    if (at + label->size() < text.size() && text[at + label->size()] == '\'') continue;
    return *label;
  }
  return std::nullopt;
}

std::optional<std::string> option_text_label(const Question& question, std::string_view text) {
  const auto& labels = labels_of(question);
  const std::string reply = plain_words(text);
  if (reply.empty()) return std::nullopt;
  std::optional<std::string> found;
  for (std::size_t i = 0; i < std::min(labels.size(), question.options.size()); ++i) {
    if (plain_words(question.options[i]) != reply) continue;
    if (found) return std::nullopt;
    found = labels[i];
  }
  return found;
}

std::optional<std::string> math_value(std::string_view content) {
  std::string_view text = strip(content);
  for (std::string_view before; before != text;) {
    before = text;
    text = strip(strip_bytes(text, '*'));
    if (text.size() >= 2 && text.front() == '$' && text.back() == '$') text = strip(strip_bytes(text, '$'));
    const std::string_view open = text.substr(0, 2),
                           close = text.size() >= 4 ? text.substr(text.size() - 2) : "";
    if ((open == "\\(" && close == "\\)") || (open == "\\[" && close == "\\]"))
      text = text.substr(2, text.size() - 4);
    if (text.size() > 1 && text.back() == '.' && text[text.size() - 2] != '.') text.remove_suffix(1);
  }
  if (text.empty()) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> last_formula(std::string_view text) {
  // Delimiters are paired in reading order; an open one without its partner pairs with nothing.
  std::optional<std::string_view> last;
  std::size_t open = std::string_view::npos;
  std::string_view closing;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string_view mark;
    if (text[at] == '\\' && at + 1 < text.size()) {
      const char next = text[at + 1];
      if (next == '(' || next == ')' || next == '[' || next == ']') {
        mark = text.substr(at, 2);
      } else {
        ++at;  // \$ is money
        continue;
      }
    } else if (text[at] == '$') {
      mark = text.substr(at, text.substr(at, 2) == "$$" ? 2 : 1);
    } else {
      continue;
    }
    if (open != std::string_view::npos && mark == closing) {
      const std::string_view inside = strip(text.substr(open, at - open));
      if (!inside.empty()) last = inside;
      open = std::string_view::npos;
    } else if (mark[0] == '$' || mark == "\\(" || mark == "\\[") {
      open = at + mark.size();
      closing = mark == "\\(" ? "\\)" : mark == "\\[" ? "\\]" : mark;
    }
    at += mark.size() - 1;
  }
  if (!last) return std::nullopt;
  // Of an equation chain the last side is the value, unless the side before it is a lone name (x = 5).
  return math_value(*last);
}

std::optional<std::string> math_of_sentence(std::string_view content) {
  const std::string_view text = strip(content);
  const std::size_t formula = text.find_first_of("$\\");
  if (formula != std::string_view::npos && formula <= 40) {
    const bool delimited =
        text[formula] == '$' || text.substr(formula, 2) == "\\(" || text.substr(formula, 2) == "\\[";
    if (delimited) {
      const std::string_view mark =
          text.substr(formula, text[formula] == '$' ? (text.substr(formula, 2) == "$$" ? 2 : 1) : 2);
      const std::string_view end_mark = mark == "\\(" ? "\\)" : mark == "\\[" ? "\\]" : mark;
      const std::size_t end = text.find(end_mark, formula + mark.size());
      if (end != std::string_view::npos)
        return math_value(text.substr(formula, end + end_mark.size() - formula));
      if (text[formula] == '$') return math_value(text.substr(formula + 1));
    }
  }
  std::size_t stop = text.find(". ");
  stop = std::min({stop, line_break(text), text.size()});
  return math_value(text.substr(0, stop));
}

}  // namespace moe::eval
