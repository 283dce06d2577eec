// The one place that knows how each family marks its thoughts, and splits a reply into thought and answer.
#pragma once

#include <string>
#include <string_view>

namespace moe {

enum class ReasoningFormat {
  none,           // the whole reply is the answer
  think_tags,     // <think>thought</think>answer: Qwen3, DeepSeek, Phi-4-reasoning and most others
  gemma_channel,  // <|channel>thought\n...<channel|>answer: Gemma 4
  harmony,        // <|channel|>analysis<|message|>...<|end|>, commentary, final: gpt-oss
};

// What a chat template's source reveals about the model it belongs to. Templates that show no marker give
// think_tags: it changes nothing unless a reply begins with <think>, which Phi-4-mini-reasoning's does and
// its template hides.
ReasoningFormat reasoning_format_of(std::string_view template_source);

struct ReasoningDelta {
  std::string thought;
  std::string answer;
};

struct ReasoningState {
  bool had_thought = false;  // a thought was begun, by the prompt or by the reply, and was not empty
  bool closed = true;        // false: the reply ended inside a thought, so that there is no answer after it
};

// Splits a reply as it streams. Feed text that keeps special tokens (a decoder that skips none), in any
// pieces; markers are recognised wherever the pieces end, and are in neither output. Blank lines that only
// set off a thought are dropped: those around it, and those between it and the answer.
//
// think_tags: a thought stands at the start of a reply, or was opened by the prompt; later markers are plain
// text. gemma_channel: a thought may stand anywhere; the channel's name line is dropped. harmony: channel
// "final" is the answer; every other channel (analysis, commentary with its tool calls) is thought.
//
// One thread at a time.
class ReasoningSplitter {
 public:
  // `prompt` is the rendered prompt: it may end inside a thought, or with an empty one.
  explicit ReasoningSplitter(ReasoningFormat format, std::string_view prompt = {});

  ReasoningDelta push(std::string_view text);
  // What was held back. Nothing may be pushed afterwards.
  ReasoningDelta finish();

  const ReasoningState& state() const noexcept { return state_; }
  // Whether the next text belongs to a thought, as far as can be told: for counting tokens.
  bool in_thought() const noexcept { return place_ == Place::thought || place_ == Place::header; }

 private:
  enum class Place {
    start,  // think_tags: nothing but blanks so far
    thought,
    answer,
    header,  // harmony, Gemma: between a channel's marker and its text
  };

  void step(ReasoningDelta& out, bool last);
  bool step_think(ReasoningDelta& out, bool last);
  bool step_gemma(ReasoningDelta& out, bool last);
  bool step_harmony(ReasoningDelta& out, bool last);
  // Moves text up to `size` from the buffer to its output.
  void emit(ReasoningDelta& out, std::size_t size);
  void end_thought();
  void begin_thought();

  ReasoningFormat format_;
  Place place_;
  ReasoningState state_;
  std::string buffer_;           // not yet told apart
  std::size_t from_prompt_ = 0;  // bytes at the front of the buffer that the prompt gave
  std::string held_;             // blanks that count only if more of the same follows
  bool trim_front_ = false;      // blanks at the front of the current part are dropped
};

struct SplitReply {
  std::string thought;
  std::string answer;
  ReasoningState state;
};
// The whole at once.
SplitReply split_reply(ReasoningFormat format, std::string_view reply, std::string_view prompt = {});

}  // namespace moe
