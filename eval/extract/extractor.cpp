// The table of named chains, and what is common to running any of them.
#include "eval/extract/extractor.h"

#include "engine/base/error.h"
#include "eval/extract/chains.h"
#include "eval/extract/thought.h"

namespace moe::eval {

AnswerKind answer_kind_from_name(std::string_view name) {
  for (const AnswerKind kind : {AnswerKind::number, AnswerKind::math, AnswerKind::choice}) {
    if (name == answer_kind_name(kind)) return kind;
  }
  throw Error(ErrorKind::usage, Fault{"", "answer kind", "number, math or choice", std::string(name)});
}

std::string_view answer_kind_name(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::number:
      return "number";
    case AnswerKind::math:
      return "math";
    case AnswerKind::choice:
      return "choice";
  }
  return "";
}

const std::vector<Chain>& extractor_chains() {
  static const std::vector<Chain> table = {
      {"strict", "only the answer formats that prompts ask for: ####, \\boxed, a bare label",
       Comparison::value, false, chains::strict},
      {"lenient", "strict, then 'the answer is', then the last number, formula or label", Comparison::value,
       false, chains::lenient},
      {"study-v1", "arXiv 2604.07035 version 1", Comparison::study_text, true, chains::study_v1},
      {"study-v3", "arXiv 2604.07035 version 3", Comparison::study_text, true, chains::study_v3},
      {"study-final", "its rationale ablation: the last '#### letter', thoughts included",
       Comparison::study_text, true, chains::study_final},
      {"study-lenient", "its diagnostic parser for letters", Comparison::study_text, true,
       chains::study_lenient},
      {"strict-match", "lm_eval gsm8k: the first '#### number'", Comparison::harness_number, false,
       chains::strict_match},
      {"strict-match-cot", "lm_eval gsm8k_cot: the first 'The answer is number'", Comparison::harness_number,
       false, chains::strict_match_cot},
      {"flexible-extract", "lm_eval gsm8k: the last run of digits", Comparison::harness_number, false,
       chains::flexible_extract},
      {"minerva", "lm_eval minerva_math: 'Final Answer: The final answer is'", Comparison::value, false,
       chains::minerva},
      {"remove_whitespace", "lm_eval arc_challenge_chat: the whole reply", Comparison::harness_letters, false,
       chains::remove_whitespace},
  };
  return table;
}

const Chain& find_chain(std::string_view name) {
  std::string known;
  for (const Chain& chain : extractor_chains()) {
    if (chain.name == name) return chain;
    known += known.empty() ? "" : ", ";
    known += chain.name;
  }
  throw Error(ErrorKind::usage, Fault{"", "extractor chain", "one of " + known, std::string(name)});
}

Extraction extract(const Chain& chain, const Question& question, const Response& response) {
  if (chain.reads_thought) return chain.extract(question, response.text, response.truncated);
  if (response.thought_unclosed) return {};
  return chain.extract(question, response.answer, response.truncated);
}

Response split_response(std::string_view text, bool truncated) {
  const ThoughtSplit split = split_thought(text);
  return {text, split.answer, split.unclosed, truncated};
}

}  // namespace moe::eval
