// Every extractor chain on any text: it never throws, finds only what a rule names, and gives the same twice.
#include "eval/extract/extractor.h"
#include "eval/grade/grade.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moe::eval;
  using moe::fuzz::check;
  if (size == 0) return 0;
  const std::uint8_t choice = data[0];
  const std::string_view text = moe::fuzz::text(data + 1, size - 1);
  Question question;
  question.kind = static_cast<AnswerKind>(choice % 3);
  if (choice & 4) question.labels = {"1", "2", "3", "4"};
  if (choice & 8) question.task = "arc_challenge";
  if (choice & 16) question.options = {"water", "5", "a b", std::string(text.substr(0, 9))};
  const Response response = split_response(text, (choice & 32) != 0);
  check(!response.thought_unclosed || response.answer.empty());
  for (const Chain& chain : extractor_chains()) {
    const Extraction found = extract(chain, question, response);
    check(found == extract(chain, question, response));
    check(found.found() || found.value.empty());
    const std::string gold = question.kind == AnswerKind::choice ? "A" : "12";
    const Verdict verdict = grade(chain, question, found, gold);
    check(found.found() || verdict != Verdict::equal);
  }
  return 0;
}
