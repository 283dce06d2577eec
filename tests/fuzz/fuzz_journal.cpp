// Lines of a journal, as a resumed run reads them: a record that is accepted, written again, reads the same.
#include <bit>
#include <string>

#include "eval/run/record.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace moe::eval;
using moe::Costs;
using moe::fuzz::check;

bool same(double a, double b) { return a == b || (a != a && b != b); }

bool same(const Costs& a, const Costs& b) {
  return a.tokens == b.tokens && a.weight_bytes == b.weight_bytes && a.kv_bytes == b.kv_bytes &&
         a.params_touched == b.params_touched && a.components == b.components;
}

std::string written(const StoredRecord& record) {
  RunFacts facts;
  facts.backend.model = record.model;
  facts.backend.model_hash = record.model_hash;
  Strategy strategy;
  Doc doc;
  Item item;
  item.doc = &doc;
  item.key = record.key;
  if (!record.outcome.result.loglikelihoods.empty()) {
    strategy.kind = Kind::loglikelihood;
    item.job = ScoreJob();
  } else {
    item.job = GenerateJob();
  }
  return record_line(facts, strategy, item, record.outcome);
}

void expect_same(const StoredRecord& a, const StoredRecord& b) {
  check(a.model == b.model && a.model_hash == b.model_hash && a.key == b.key);
  const JobResult &x = a.outcome.result, &y = b.outcome.result;
  check(x.error == y.error);
  if (a.outcome.failed()) return;
  check(x.finish_reason == y.finish_reason && x.greedy == y.greedy && x.loglikelihoods.size() == y.loglikelihoods.size());
  for (std::size_t i = 0; i < x.loglikelihoods.size(); ++i) check(same(x.loglikelihoods[i], y.loglikelihoods[i]));
  check(x.response == y.response && x.response_tokens == y.response_tokens);
  check(x.thought == y.thought && x.answer == y.answer && x.thought_unclosed == y.thought_unclosed);
  check(x.prompt_tokens == y.prompt_tokens && x.shared_tokens == y.shared_tokens);
  check(x.thought_tokens == y.thought_tokens && x.answer_tokens == y.answer_tokens);
  check(same(x.prefill, y.prefill) && same(x.decode, y.decode));
  check(same(x.alone_prefill, y.alone_prefill) && same(x.alone_decode, y.alone_decode));
  check(same(x.prefill_s, y.prefill_s) && same(x.decode_s, y.decode_s) && same(x.ttft_s, y.ttft_s));
  check(same(a.outcome.seconds, b.outcome.seconds) && a.outcome.joules == b.outcome.joules);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = moe::fuzz::text(data, size);
  StoredRecord record;
  if (!moe::fuzz::succeeds([&] { record = parse_record(text, "fuzz", 1); })) return 0;
  expect_same(record, parse_record(written(record), "fuzz", 1));
  return 0;
}
