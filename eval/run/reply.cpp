// One reply as it is written.
#include "eval/run/reply.h"

namespace moe::eval {

Reply::Reply(std::shared_ptr<const Tokenizer> tokenizer, ReasoningFormat format, std::string_view prompt,
             const std::vector<std::string>& stops)
    : plain_(tokenizer, true), marked_(tokenizer, false), splitter_(format, prompt), text_(stops), answer_(stops) {}

void Reply::take(const ReasoningDelta& delta) {
  thought_ += delta.thought;
  answer_.push(delta.answer);
}

bool Reply::push(std::int32_t id) {
  const bool before = splitter_.in_thought();
  take(splitter_.push(marked_.push(id)));
  // A marker's own tokens belong to the thought it opens or closes.
  ++(before || splitter_.in_thought() ? thought_tokens_ : answer_tokens_);
  const bool thought = splitter_.state().had_thought || splitter_.in_thought();
  const bool plain_goes_on = text_.push(plain_.push(id));
  return thought ? !answer_.found() : plain_goes_on;
}

void Reply::finish(std::string finish_reason, JobResult& result) {
  take(splitter_.push(marked_.finish()));
  take(splitter_.finish());
  const std::string rest = plain_.finish();
  const ReasoningState& state = splitter_.state();
  if (state.had_thought || !state.closed) {
    result.thought = thought_;
    result.answer = answer_.text();
    // The markers are left out of both, so a response of its own is put together in the common form.
    result.response = "<think>" + thought_ + (state.closed ? "</think>" : "") + result.answer;
    result.thought_unclosed = !state.closed;
    if (answer_.found()) finish_reason = "stop";
  } else {
    text_.push(rest);
    result.response = result.answer = text_.text();
    if (text_.found()) finish_reason = "stop";
  }
  result.finish_reason = std::move(finish_reason);
  result.thought_tokens = thought_tokens_;
  result.answer_tokens = answer_tokens_;
}

}  // namespace moe::eval
