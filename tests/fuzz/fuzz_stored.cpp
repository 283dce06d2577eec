// Files of stored responses, of any of the three kinds: each response is made of the file's bytes and can be graded, and
// written as a record of our own it reads the same. The first byte chooses the kind of answer.
#include <string>

#include "engine/base/utf8.h"
#include "eval/grade/grade.h"
#include "eval/regrade/stored.h"
#include "eval/util/json.h"
#include "tests/fuzz/fuzz.h"

namespace {

using moe::eval::AnswerKind;
using moe::eval::Json;
using moe::eval::StoredResponse;
using moe::fuzz::check;

std::string record_of(const StoredResponse& stored) {
  Json record = {{"doc_id", stored.id},       {"task", stored.task},   {"strategy", stored.strategy}, {"model", stored.model},
                 {"target", stored.gold},     {"response", stored.text}, {"choices", stored.question.options},
                 {"flags", {{"thought_unclosed", stored.thought_unclosed}}}};
  if (stored.answer) record["answer"] = *stored.answer;
  if (stored.truncated == true) record["finish_reason"] = "length";
  return record.dump() + '\n';
}

bool has_invalid_text(const StoredResponse& stored) {  // of CSV, which may be anything
  for (const std::string* text : {&stored.id, &stored.task, &stored.strategy, &stored.model, &stored.gold, &stored.text}) {
    if (!moe::utf8::valid(*text)) return true;
  }
  return false;
}

void expect_same_record(const StoredResponse& stored) {
  int count = 0;
  moe::eval::parse_stored(record_of(stored), "fuzz", stored.question.kind, [&](const StoredResponse& again) {
    ++count;
    check(again.id == stored.id && again.task == stored.task && again.strategy == stored.strategy);
    check(again.model == stored.model && again.gold == stored.gold && again.text == stored.text);
    check(again.answer == stored.answer && again.thought_unclosed == stored.thought_unclosed);
    check(again.truncated == stored.truncated.value_or(false));
    check(again.question.kind == stored.question.kind && again.question.options == stored.question.options);
  });
  check(count == 1);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moe::eval;
  if (size == 0) return 0;
  const std::string text(moe::fuzz::text(data + 1, size - 1));
  std::optional<AnswerKind> kind;
  if (data[0] % 4 > 0) kind = static_cast<AnswerKind>(data[0] % 4 - 1);
  std::size_t count = 0;
  const auto visit = [&](const StoredResponse& stored) {
    // A number is written in at most so many characters, however short it was in the file.
    constexpr std::size_t kNumber = 32;
    check(stored.text.size() <= text.size() + kNumber && stored.gold.size() <= text.size() + kNumber);
    check(!kind || stored.question.kind == *kind);
    check((stored.question.kind == AnswerKind::choice) == !stored.question.labels.empty());
    if (++count > 4) return;  // more of them would only be slower
    const Response response = stored.response();
    check(stored.answer || response.text == stored.text);
    score(find_chain("strict"), stored.question, response, stored.gold);
    if (!has_invalid_text(stored)) expect_same_record(stored);
  };
  StoredFile file;
  if (!moe::fuzz::succeeds([&] { file = parse_stored(text, "samples_fuzz.jsonl", kind, visit); })) return 0;
  check(file.rows == count && file.cut_bytes < text.size());
  return 0;
}
