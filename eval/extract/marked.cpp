// Where a response marks its answer.
#include "eval/extract/marked.h"

#include <algorithm>
#include <array>

#include "eval/extract/scan.h"

namespace moe::eval {
namespace {

constexpr std::size_t kLongestSentence = 400;
constexpr std::size_t kLongestBridge = 80;  // between "answer" and its verb

std::size_t line_end(std::string_view text, std::size_t at) {
  return std::min(text.find('\n', at), text.size());
}

void add_hash(std::string_view text, std::size_t at, std::vector<Marked>& out) {
  std::size_t begin = at + 4;
  while (begin < text.size() && text[begin] == '#') ++begin;
  const std::size_t end = line_end(text, begin);
  const std::string_view content = strip(text.substr(begin, end - begin));
  if (!content.empty()) out.push_back({"hash", content, at, end == text.size()});
}

// Length of the \boxed or \fbox command at `at`, or 0.
std::size_t box_command(std::string_view text, std::size_t at) {
  for (const std::string_view word : {std::string_view("\\boxed"), std::string_view("\\fbox")}) {
    if (text.substr(at, word.size()) == word) return word.size();
  }
  return 0;
}

void add_bare_box(std::string_view text, std::size_t at, std::size_t begin, std::vector<Marked>& out) {
  begin = std::min(text.find_first_not_of(' ', begin), text.size());
  const std::size_t end = std::min(text.find_first_of(" $\n", begin), text.size());
  if (end > begin) out.push_back({"boxed", text.substr(begin, end - begin), at, end == text.size()});
}

// Where the verb or colon after "answer" ends, or npos: it must follow soon, in the same sentence.
std::size_t after_verb(std::string_view text, std::size_t at) {
  const std::size_t stop = std::min(at + kLongestBridge, text.size());
  for (std::size_t i = at; i < stop; ++i) {
    const char c = text[i];
    if (c == ':' || c == '=') return i + 1;
    if (c == '\n' || c == '.' || c == '?' || c == ';' || is_ascii_digit(c)) return std::string_view::npos;
    for (const std::string_view verb : {"is", "be", "was", "equals"}) {
      if (!starts_with_nocase(text, i, verb)) continue;
      if (is_word_boundary(text, i) && is_word_boundary(text, i + verb.size())) {
        const std::size_t next = skip_space(text, i + verb.size());
        return next < text.size() && text[next] == ':' ? next + 1 : i + verb.size();
      }
    }
  }
  return std::string_view::npos;
}

std::string_view strip_emphasis(std::string_view text) {
  for (std::string_view before; before != text;) {
    before = text;
    text = strip(strip_bytes(strip_bytes(strip(text), '*'), '_'));
  }
  return text;
}

}  // namespace

std::vector<Marked> explicit_marks(std::string_view text) {
  std::vector<Marked> out;
  struct Open {
    std::size_t brace;
    std::size_t command;  // where \boxed begins, or npos for any other brace
  };
  std::vector<Open> open;
  std::size_t hash_line = 0;  // one mark a line: the rest of the line is its content
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\') {
      const std::size_t word = box_command(text, at);
      if (word == 0) {
        ++at;  // an escaped brace opens and closes nothing
        continue;
      }
      const std::size_t next = skip_space(text, at + word);
      if (next < text.size() && text[next] == '{') {
        open.push_back({next, at});
        at = next;
      } else {
        add_bare_box(text, at, at + word, out);
        at += word - 1;
      }
    } else if (c == '{') {
      open.push_back({at, std::string_view::npos});
    } else if (c == '}' && !open.empty()) {
      const Open last = open.back();
      open.pop_back();
      if (last.command == std::string_view::npos) continue;
      const std::string_view content = strip(text.substr(last.brace + 1, at - last.brace - 1));
      if (!content.empty()) out.push_back({"boxed", content, last.command, false});
    } else if (c == '#' && at >= hash_line && text.substr(at, 4) == "####") {
      add_hash(text, at, out);
      hash_line = line_end(text, at);
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Marked& a, const Marked& b) { return a.position < b.position; });
  return out;
}

std::vector<Marked> answer_sentences(std::string_view text) {
  std::vector<Marked> out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::size_t word = 0;
    for (const std::string_view name : {"answer", "solution", "result"}) {
      if (starts_with_nocase(text, at, name)) word = name.size();
    }
    if (word == 0 || !is_word_boundary(text, at) || !is_word_boundary(text, at + word)) continue;
    const std::size_t begin = after_verb(text, at + word);
    if (begin == std::string_view::npos) continue;
    const std::size_t limit = std::min(text.size(), begin + kLongestSentence);
    std::size_t end = std::min(line_end(text.substr(0, limit), begin), limit);
    std::string_view content = strip_emphasis(text.substr(begin, end - begin));
    if (content.empty() && end < limit) {  // the answer stands on the next line that is not empty
      const std::size_t next = skip_space(text.substr(0, limit), end);
      end = line_end(text.substr(0, limit), next);
      content = strip_emphasis(text.substr(next, end - next));
    }
    if (!content.empty()) out.push_back({"answer-is", content, at, end == text.size()});
  }
  return out;
}

}  // namespace moe::eval
