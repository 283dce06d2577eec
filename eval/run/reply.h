// One reply as it is written: text, thought and answer, stop strings, token counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/text/reasoning.h"
#include "engine/text/tokenizer.h"
#include "eval/run/backend.h"
#include "eval/run/stop_strings.h"

namespace moe::eval {

class Reply {
 public:
  // `prompt` is what the model read: a template may have opened the thought already.
  Reply(std::shared_ptr<const Tokenizer> tokenizer, ReasoningFormat format, std::string_view prompt,
        const std::vector<std::string>& stops);

  // False once a stop string stands in the answer. Stop strings are looked for outside thoughts only: a model that
  // repeats a question while it thinks has not come to its end.
  bool push(std::int32_t id);
  // An end-of-text token: counted, and no text.
  void push_end() { ++answer_tokens_; }
  // Fills in response, thought, answer, their tokens and the finish reason.
  void finish(std::string finish_reason, JobResult& result);

 private:
  void take(const ReasoningDelta& delta);

  StreamDecoder plain_, marked_;  // without and with special tokens, which some families' markers are
  ReasoningSplitter splitter_;
  StopStrings text_, answer_;
  std::string thought_;
  std::uint64_t thought_tokens_ = 0, answer_tokens_ = 0;
};

}  // namespace moe::eval
