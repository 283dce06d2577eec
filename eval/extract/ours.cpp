// Our own two chains. `strict` takes only the formats that prompts ask for; `lenient` goes on to what people
// would still read as an answer. Both take the last mark, for models go on to revise, and to recite examples
// before it.
#include <optional>

#include "eval/extract/chains.h"
#include "eval/extract/labels.h"
#include "eval/extract/marked.h"
#include "eval/extract/number_text.h"
#include "eval/extract/scan.h"

namespace moe::eval::chains {
namespace {

// The value that a mark's content stands for, by the kind of answer; nothing if it holds none.
std::optional<std::string> marked_value(const Question& question, std::string_view content) {
  switch (question.kind) {
    case AnswerKind::number: {
      if (auto number = number_alone(content)) return number;
      return std::nullopt;
    }
    case AnswerKind::math:
      return math_value(content);
    case AnswerKind::choice:
      return leading_label(question, content);
  }
  return std::nullopt;
}

Extraction last_mark(const Question& question, const std::vector<Marked>& marks, bool truncated) {
  for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
    // A cap may have cut the value in two: 12 of 1234.
    if (truncated && mark->at_end) continue;
    if (auto value = marked_value(question, mark->content)) return {*value, std::string(mark->rule)};
    return {};  // the last mark is what the response means by its answer, even where it cannot be read
  }
  return {};
}

// "the answer is 5 + 3 = 8 apples": the number after the last equals sign of the sentence, else its first
// number.
std::optional<std::string> number_of_sentence(std::string_view content) {
  const std::string plain = undress(content);
  std::string_view text = plain;
  const auto first = next_number(text, 0);
  if (!first) return std::nullopt;
  std::size_t stop = text.find(". ", first->end);
  if (stop == std::string_view::npos) stop = text.size();
  const std::size_t equals = text.substr(0, stop).rfind('=');
  if (equals != std::string_view::npos) {
    const auto after = next_number(text.substr(0, stop), equals + 1);
    if (after) return after->value;
  }
  return first->value;
}

std::optional<std::string> sentence_value(const Question& question, std::string_view content) {
  switch (question.kind) {
    case AnswerKind::number:
      return number_of_sentence(content);
    case AnswerKind::math:
      return math_of_sentence(content);
    case AnswerKind::choice:
      return leading_label(question, content);
  }
  return std::nullopt;
}

Extraction last_sentence(const Question& question, std::string_view text, bool truncated) {
  const std::vector<Marked> sentences = answer_sentences(text);
  for (auto sentence = sentences.rbegin(); sentence != sentences.rend(); ++sentence) {
    if (truncated && sentence->at_end) continue;
    if (auto value = sentence_value(question, sentence->content))
      return {*value, std::string(sentence->rule)};
  }
  return {};
}

std::string_view last_line(std::string_view text) {
  const std::string_view bare = strip(text);
  const std::size_t feed = bare.rfind('\n');
  return feed == std::string_view::npos ? bare : strip(bare.substr(feed + 1));
}

// A reply of one short line that is a number with its unit, or a sentence that names it as the answer.
Extraction whole_number_reply(std::string_view text) {
  if (text.size() > 40 || text.find_first_of("\n=") != std::string_view::npos) return {};
  const auto number = number_alone(text);
  if (!number) return {};
  const std::string plain = undress(text);
  const bool leads = next_number(plain, 0)->begin == skip_space(plain, 0);
  return leads || !answer_sentences(text).empty() ? Extraction{*number, "whole-reply"} : Extraction{};
}

Extraction unmarked(const Question& question, std::string_view text) {
  switch (question.kind) {
    case AnswerKind::number: {
      const auto number = last_number(undress(text));
      return number ? Extraction{number->value, "last-number"} : Extraction{};
    }
    case AnswerKind::math: {
      if (auto formula = last_formula(text)) return {*formula, "last-formula"};
      const std::string_view line = last_line(text);
      if (auto number = number_alone(line)) return {*number, "last-line"};
      return {};
    }
    case AnswerKind::choice: {
      if (auto label = option_text_label(question, text)) return {*label, "option-text"};
      if (auto label = leading_label(question, text)) return {*label, "leading-label"};
      if (auto label = last_lone_label(question, text)) return {*label, "last-label"};
      return {};
    }
  }
  return {};
}

}  // namespace

Extraction strict(const Question& question, std::string_view text, bool truncated) {
  const std::vector<Marked> marks = explicit_marks(text);
  if (Extraction found = last_mark(question, marks, truncated); found.found()) return found;
  if (!marks.empty() || truncated) return {};
  if (question.kind == AnswerKind::choice) {
    if (auto label = whole_label(question, text)) return {*label, "whole-reply"};
    // "Answer: B" as the last line: the other form that prompts for letters ask for.
    const std::string_view line = last_line(text);
    if (auto label = whole_label(question, line)) return {*label, "last-line"};
    for (const Marked& sentence : answer_sentences(line)) {
      if (auto label = whole_label(question, sentence.content)) return {*label, "answer-line"};
    }
  } else if (question.kind == AnswerKind::number) {
    return whole_number_reply(strip(text));
  }
  return {};
}

Extraction lenient(const Question& question, std::string_view text, bool truncated) {
  if (Extraction found = strict(question, text, truncated); found.found()) return found;
  if (Extraction found = last_sentence(question, text, truncated); found.found()) return found;
  // Without a mark only the end of a complete response can be its answer.
  return truncated ? Extraction{} : unmarked(question, text);
}

}  // namespace moe::eval::chains
