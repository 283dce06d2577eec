// Whether an extracted answer is right.
#include "eval/grade/grade.h"

#include <algorithm>

#include "eval/extract/labels.h"
#include "eval/extract/marked.h"
#include "eval/extract/number_text.h"
#include "eval/extract/scan.h"
#include "eval/grade/equivalence.h"
#include "eval/grade/rational.h"

namespace moe::eval {
namespace {

// White space out or collapsed, lower case: the two normalisations of the study's grader.
std::string study_number(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint here = code_point_at(text, at);
    if (text[at] != ',' && !is_space(here.value)) out += lower_ascii(text.substr(at, here.bytes));
    at += here.bytes;
  }
  return out;
}

std::string study_letter(std::string_view text) { return lower_ascii(collapse_space(text)); }

// The study's gold: the last boxed value up to its first closing brace, or what "####" is followed by.
std::string study_gold(AnswerKind kind, std::string_view gold) {
  if (kind == AnswerKind::math) {
    constexpr std::string_view kBoxed = "\\boxed{";
    std::string_view value = strip(gold);
    for (std::size_t at = gold.find(kBoxed); at != std::string_view::npos;) {
      const std::size_t begin = at + kBoxed.size();
      const std::size_t end = gold.find('}', begin);
      if (end == std::string_view::npos) break;
      value = strip(gold.substr(begin, end - begin));
      at = gold.find(kBoxed, end + 1);
    }
    return std::string(value);
  }
  return gold_value(kind, gold);
}

// lm_eval's gsm8k metric: commas and dollar signs out, all up to the last "#### " out, a final stop out,
// lower case.
std::string harness_number(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ',' && c != '$') out += lower_ascii(c);
  }
  const std::size_t marker = out.rfind("#### ");
  if (marker != std::string::npos) out.erase(0, marker + 5);
  const std::size_t stop = !out.empty() && out.back() == '\n' ? out.size() - 1 : out.size();
  if (stop > 0 && out[stop - 1] == '.') out.erase(stop - 1, 1);
  return out;
}

std::string harness_letters(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool punctuation = byte > 0x20 && byte < 0x7f && !is_ascii_letter(c) && !is_ascii_digit(c);
    if (!punctuation) out += lower_ascii(c);
  }
  return out;
}

Verdict when(bool same) { return same ? Verdict::equal : Verdict::different; }

Verdict by_value(const Question& question, std::string_view value, std::string_view gold) {
  switch (question.kind) {
    case AnswerKind::choice:
      return when(lower_ascii(strip(value)) == lower_ascii(strip(gold)));
    case AnswerKind::number: {
      const std::string target = gold_value(question.kind, gold);
      const Verdict verdict = same_number(value, target);
      return verdict == Verdict::undecided ? math_equivalent(value, target) : verdict;
    }
    case AnswerKind::math:
      return math_equivalent(value, gold_value(question.kind, gold));
  }
  return Verdict::undecided;
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::equal:
      return "equal";
    case Verdict::different:
      return "different";
    case Verdict::undecided:
      return "undecided";
  }
  return "";
}

std::string gold_value(AnswerKind kind, std::string_view gold) {
  if (kind == AnswerKind::choice) return std::string(strip(gold));
  const std::string_view wanted = kind == AnswerKind::number ? "hash" : "boxed";
  const std::vector<Marked> marks = explicit_marks(gold);
  for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
    if (mark->rule == wanted) return std::string(mark->content);
  }
  return std::string(strip(gold));
}

Verdict same_number(std::string_view value, std::string_view gold) {
  const auto read = [](std::string_view text) {
    auto number = parse_rational(text);
    if (!number) {
      if (const auto alone = number_alone(text)) number = parse_rational(*alone);
    }
    return number;
  };
  const auto a = read(value), b = read(gold);
  if (!a || !b) return Verdict::undecided;
  return when(*a == *b);
}

Verdict grade(const Chain& chain, const Question& question, const Extraction& extraction,
              std::string_view gold) {
  switch (chain.comparison) {
    case Comparison::value:
      return extraction.found() ? by_value(question, extraction.value, gold) : Verdict::different;
    case Comparison::study_text: {
      if (!extraction.found()) return Verdict::different;
      const auto normal = question.kind == AnswerKind::choice ? study_letter : study_number;
      return when(normal(extraction.value) == normal(study_gold(question.kind, gold)));
    }
    case Comparison::harness_number:
      return when(harness_number(extraction.found() ? extraction.value : "[invalid]") ==
                  harness_number(gold));
    case Comparison::harness_letters:
      return when(harness_letters(extraction.value) == harness_letters(gold));
  }
  return Verdict::undecided;
}

Scored score(const Chain& chain, const Question& question, const Response& response, std::string_view gold) {
  Scored out;
  out.extraction = extract(chain, question, response);
  out.verdict = grade(chain, question, out.extraction, gold);
  return out;
}

}  // namespace moe::eval
