// How the study arXiv 2604.07035 read its models' responses: published behaviour, quirks included, so that
// its own columns come out. Written as scanners instead of regular expressions, so each takes time linear in
// the text.
#include <algorithm>
#include <optional>

#include "eval/extract/chains.h"
#include "eval/extract/scan.h"

namespace moe::eval::chains {
namespace {

Extraction letter_found(char letter, std::string_view rule) {
  return {std::string(1, upper_ascii(letter)), std::string(rule)};
}

bool is_letter_to(char c, char last) { return upper_ascii(c) >= 'A' && upper_ascii(c) <= last; }

// The next place at or after `from` where the ASCII letters A..E (any case) stand alone; npos if none.
std::size_t next_lone_letter(std::string_view text, std::size_t from) {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (is_letter_to(text[at], 'E') && is_word_boundary(text, at) && is_word_boundary(text, at + 1))
      return at;
  }
  return std::string_view::npos;
}

// The number [-+]?digits[.digits] at `at`; returns its end, or `at` if there is none.
std::size_t number_end(std::string_view text, std::size_t at) {
  std::size_t end = at;
  if (end < text.size() && (text[end] == '-' || text[end] == '+')) ++end;
  const auto digits = [&](std::size_t from) {
    for (CodePoint next = code_point_at(text, from); is_digit(next.value); next = code_point_at(text, from)) {
      from += next.bytes;
    }
    return from;
  };
  const std::size_t whole = digits(end);
  if (whole == end) return at;
  if (whole < text.size() && text[whole] == '.') {
    const std::size_t fraction = digits(whole + 1);
    if (fraction > whole + 1) return fraction;
  }
  return whole;
}

// \s*$ in multi-line mode: only white space up to a line feed or the end of the text.
bool line_ends(std::string_view text, std::size_t at) {
  const std::size_t end = skip_space(text, at);
  return end == text.size() || text.substr(at, end - at).find('\n') != std::string_view::npos;
}

// \s*\$?\s*number\s*$ at `at`.
std::optional<std::string> money_to_line_end(std::string_view text, std::size_t at) {
  at = skip_space(text, at);
  if (at < text.size() && text[at] == '$') at = skip_space(text, at + 1);
  const std::size_t end = number_end(text, at);
  if (end == at || !line_ends(text, end)) return std::nullopt;
  return std::string(text.substr(at, end - at));
}

// The last line that is more than white space.
std::string_view last_line(std::string_view text) {
  std::string_view last;
  for (const std::string_view line : split_lines(text)) {
    const std::string_view bare = strip(line);
    if (!bare.empty()) last = bare;
  }
  return last;
}

Extraction number(std::string_view response) {
  const std::string_view text = strip(response);
  for (std::size_t at = text.find("####"); at != std::string_view::npos; at = text.find("####", at + 1)) {
    if (auto value = money_to_line_end(text, at + 4)) return {*value, "hash"};
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!starts_with_nocase(text, at, "answer")) continue;
    const std::size_t gap = skip_space(text, at + 6);
    if (gap == at + 6 || !starts_with_nocase(text, gap, "is")) continue;
    const std::size_t rest = skip_space(text, gap + 2);
    if (rest == gap + 2) continue;
    if (auto value = money_to_line_end(text, rest)) return {*value, "answer-is"};
  }
  std::string_view last = last_line(text);
  if (!last.empty() && last.front() == '$') last = last.substr(skip_space(last, 1));
  const std::size_t end = number_end(last, 0);
  if (end > 0 && end == last.size()) return {std::string(last), "last-line"};
  return {};
}

Extraction math(std::string_view response) {
  constexpr std::string_view kBoxed = "\\boxed{";
  std::optional<std::string_view> boxed;
  for (std::size_t at = response.find(kBoxed); at != std::string_view::npos;) {
    const std::size_t begin = at + kBoxed.size();
    const std::size_t end = response.find('}', begin);
    if (end == std::string_view::npos) break;
    boxed = response.substr(begin, end - begin);
    at = response.find(kBoxed, end + 1);
  }
  if (boxed) return {std::string(strip(*boxed)), "boxed"};

  const std::string_view text = strip(response);
  for (std::size_t at = text.find("####"); at != std::string_view::npos; at = text.find("####", at + 1)) {
    const std::size_t begin = skip_space(text, at + 4);
    if (begin >= text.size()) continue;
    const std::size_t line = std::min(text.find('\n', begin), text.size());
    const std::string_view value = strip(text.substr(begin, line - begin));
    return {std::string(strip_bytes(value, '$')), "hash"};
  }
  const std::string_view last = last_line(response);
  if (!last.empty()) return {std::string(strip_bytes(last, '$')), "last-line"};
  return {};
}

Extraction first_lone_letter(std::string_view response) {
  const std::string_view text = strip(response);
  if (text.size() == 1 && is_letter_to(text[0], 'E')) return letter_found(text[0], "whole-reply");
  const std::size_t at = next_lone_letter(text, 0);
  if (at == std::string_view::npos) return {};
  return letter_found(text[at], "first-letter");
}

// One letter A..Z at `at` (after white space) that ends its line.
std::optional<char> letter_to_line_end(std::string_view text, std::size_t at) {
  at = skip_space(text, at);
  if (at >= text.size() || !is_letter_to(text[at], 'Z') || !line_ends(text, at + 1)) return std::nullopt;
  return text[at];
}

// Version 3's TruthfulQA: only a letter that is the whole reply, or that a marker or a line of its own sets
// apart.
Extraction marked_letter(std::string_view response) {
  const std::string_view text = strip(response);
  if (text.size() == 1 && is_letter_to(text[0], 'Z')) return letter_found(text[0], "whole-reply");
  for (std::size_t at = text.find("####"); at != std::string_view::npos; at = text.find("####", at + 1)) {
    if (const auto letter = letter_to_line_end(text, at + 4)) return letter_found(*letter, "hash");
  }
  for (const bool want_final : {true, false}) {
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (!starts_with_nocase(text, at, "answer")) continue;
      const std::size_t before = skip_space_back(text, at);
      const bool is_final = before < at && before >= 5 && starts_with_nocase(text, before - 5, "final");
      if (want_final && !is_final) continue;
      std::size_t rest = skip_space(text, at + 6);
      if (rest < text.size() && (text[rest] == ':' || text[rest] == '-')) ++rest;
      if (const auto letter = letter_to_line_end(text, rest)) {
        return letter_found(*letter, want_final ? "final-answer" : "answer");
      }
    }
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!starts_with_nocase(text, at, "the")) continue;
    std::size_t word = skip_space(text, at + 3);
    if (word == at + 3 || !starts_with_nocase(text, word, "answer")) continue;
    const std::size_t is = skip_space(text, word + 6);
    if (is == word + 6 || !starts_with_nocase(text, is, "is")) continue;
    if (skip_space(text, is + 2) == is + 2) continue;
    if (const auto letter = letter_to_line_end(text, is + 2)) return letter_found(*letter, "answer-is");
  }
  const std::string_view last = last_line(response);
  if (last.size() == 1 && is_letter_to(last[0], 'Z')) return letter_found(last[0], "last-line");
  return {};
}

// The letter A..E with a word boundary after it, past white space at `at`.
std::optional<char> bounded_letter(std::string_view text, std::size_t at) {
  at = skip_space(text, at);
  if (at >= text.size() || !is_letter_to(text[at], 'E') || !is_word_boundary(text, at + 1))
    return std::nullopt;
  return text[at];
}

std::optional<char> last_hash_letter(std::string_view text) {
  std::optional<char> last;
  for (std::size_t at = text.find("####"); at != std::string_view::npos; at = text.find("####", at + 1)) {
    if (const auto letter = bounded_letter(text, at + 4)) last = letter;
  }
  return last;
}

std::optional<char> last_named_letter(std::string_view text) {
  std::optional<char> last;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::size_t end = 0;
    for (const std::string_view word : {"answer", "option", "choice"}) {
      if (starts_with_nocase(text, at, word)) end = at + word.size();
    }
    if (end == 0) continue;
    std::size_t rest = skip_space(text, end);
    std::optional<char> letter;
    if (starts_with_nocase(text, rest, "is")) letter = bounded_letter(text, rest + 2);
    if (!letter && rest < text.size() && text[rest] == ':') letter = bounded_letter(text, rest + 1);
    if (!letter) letter = bounded_letter(text, end);
    if (letter) last = letter;
  }
  return last;
}

// Closed think blocks and stray think tags become a space.
std::string without_think_tags(std::string_view text) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  std::size_t last_close =
      0;  // no block closes after this place: looked up once, so that many opens stay linear
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (starts_with_nocase(text, at, kClose)) last_close = at;
  }
  std::string blocks_gone;
  for (std::size_t at = 0; at < text.size();) {
    if (at < last_close && starts_with_nocase(text, at, kOpen)) {
      at += kOpen.size();
      while (!starts_with_nocase(text, at, kClose)) ++at;
      at += kClose.size();
      blocks_gone += ' ';
    } else {
      blocks_gone += text[at++];
    }
  }
  // A stray tag may hold white space: < / think >.
  std::string out;
  const std::string_view rest = blocks_gone;
  for (std::size_t at = 0; at < rest.size();) {
    if (rest[at] == '<') {
      std::size_t end = skip_space(rest, at + 1);
      if (end < rest.size() && rest[end] == '/') end = skip_space(rest, end + 1);
      if (starts_with_nocase(rest, end, "think")) {
        end = skip_space(rest, end + 5);
        if (end < rest.size() && rest[end] == '>') {
          out += ' ';
          at = end + 1;
          continue;
        }
      }
    }
    out += rest[at++];
  }
  return out;
}

}  // namespace

Extraction study_v1(const Question& question, std::string_view text, bool) {
  switch (question.kind) {
    case AnswerKind::number:
      return number(text);
    case AnswerKind::math:
      return math(text);
    case AnswerKind::choice:
      return first_lone_letter(text);
  }
  return {};
}

Extraction study_v3(const Question& question, std::string_view text, bool truncated) {
  const bool marked = question.kind == AnswerKind::choice && question.task != "arc_challenge";
  return marked ? marked_letter(text) : study_v1(question, text, truncated);
}

Extraction study_final(const Question&, std::string_view text, bool) {
  const auto letter = last_hash_letter(text);
  return letter ? letter_found(*letter, "hash") : Extraction{};
}

Extraction study_lenient(const Question&, std::string_view response, bool) {
  std::string clean(response);
  // What a log of the study's had in place of a missing message.
  constexpr std::string_view kMissing = "[object Object]";
  for (std::size_t at = clean.find(kMissing); at != std::string::npos; at = clean.find(kMissing, at + 1)) {
    std::fill_n(clean.begin() + static_cast<std::ptrdiff_t>(at), kMissing.size(), ' ');
  }
  const std::string text = collapse_space(without_think_tags(clean));
  if (const auto letter = last_hash_letter(text)) return letter_found(*letter, "hash");
  if (const auto letter = last_named_letter(text)) return letter_found(*letter, "named");
  std::size_t last = std::string_view::npos;
  for (std::size_t at = next_lone_letter(text, 0); at != std::string_view::npos;
       at = next_lone_letter(text, at + 1)) {
    last = at;
  }
  return last == std::string_view::npos ? Extraction{} : letter_found(text[last], "last-letter");
}

}  // namespace moe::eval::chains
