// Named chains of rules that read the final answer out of a model's response.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moe::eval {

enum class AnswerKind {
  number,  // one number, as in GSM8K
  math,    // any mathematical object written in LaTeX, as in MATH
  choice,  // one of a list of labels
};

// "number", "math", "choice"; throws Error (usage) naming the known kinds.
AnswerKind answer_kind_from_name(std::string_view name);
std::string_view answer_kind_name(AnswerKind kind);

struct Question {
  std::string task;  // its name: study-v3 reads ARC by a rule of its own
  AnswerKind kind = AnswerKind::number;
  std::vector<std::string> labels;   // choice: the labels as the prompt shows them (A..E, 1..4); empty = A..E
  std::vector<std::string> options;  // choice: the text of each option, for `lenient`; may be empty
};

// A response as the engine or a stored record gives it. The views must outlive the call.
struct Response {
  std::string_view text;          // all that was generated, thought and its markers included
  std::string_view answer;        // what stands outside the thought (= text where the model does not think)
  bool thought_unclosed = false;  // the thought never ended: there is no answer to read
  bool truncated = false;         // stopped by a cap, so the last words may be cut
};

// What a chain found. An empty rule means that nothing was found (unparsed); `value` is then empty too.
struct Extraction {
  std::string value;
  std::string rule;
  bool found() const { return !rule.empty(); }
  bool operator==(const Extraction&) const = default;
};

// How a chain's value is compared with the gold answer (eval/grade/grade.h).
enum class Comparison {
  value,            // by what it means: exact numbers, labels, mathematical equivalence
  study_text,       // the study's: equal text after its own normalisation
  harness_number,   // lm_eval's exact_match with gsm8k's ignored patterns
  harness_letters,  // lm_eval's exact_match without case and punctuation
};

struct Chain {
  std::string_view name;
  std::string_view summary;  // one line for people
  Comparison comparison;
  bool reads_thought;  // takes Response::text whole instead of Response::answer
  Extraction (*extract)(const Question& question, std::string_view text, bool truncated);
};

// All chains, in the order they are listed to people.
const std::vector<Chain>& extractor_chains();

// Throws Error (usage) that lists the known names.
const Chain& find_chain(std::string_view name);

// Runs one chain. Linear in the length of the text whatever it holds; never throws on any text. Thread-safe.
Extraction extract(const Chain& chain, const Question& question, const Response& response);

// A stored response whose family is not known: the thought is found by the common markers
// (eval/extract/thought.h). The views of the result point into `text`.
Response split_response(std::string_view text, bool truncated);

}  // namespace moe::eval
