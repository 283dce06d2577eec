// Whether an extracted answer is right: exact numbers, labels, mathematical equivalence, and the comparisons
// that the study and lm_eval make with text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eval/extract/extractor.h"

namespace moe::eval {

enum class Verdict {
  equal,
  different,
  undecided,  // neither could be shown within the bounds; counted apart, never as wrong or right
};

std::string_view verdict_name(Verdict verdict);

// The gold answer as a data set gives it, reduced to its value: what follows "####" in a GSM8K solution, what
// the last \boxed of a MATH solution holds, a bare answer as it is.
std::string gold_value(AnswerKind kind, std::string_view gold);

// Exact comparison of two numbers as rationals: 1,000 = 1000.0, 0.5 = 1/2. `undecided` if either is none.
Verdict same_number(std::string_view value, std::string_view gold);

// Compares a chain's value with the gold answer the way the chain's world does. An extraction that found
// nothing is `different`. `gold` may be a whole solution (see gold_value). Never throws on any text; bounded
// in time and memory. Thread-safe.
Verdict grade(const Chain& chain, const Question& question, const Extraction& extraction,
              std::string_view gold);

// Extraction and verdict of one response under one chain.
struct Scored {
  Extraction extraction;
  Verdict verdict = Verdict::different;
  std::optional<bool> correct() const {
    if (verdict == Verdict::undecided) return std::nullopt;
    return verdict == Verdict::equal;
  }
};

Scored score(const Chain& chain, const Question& question, const Response& response, std::string_view gold);

}  // namespace moe::eval
