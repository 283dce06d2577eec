// Thought markers of the families, recognised in text that arrives in pieces.
#include "engine/text/reasoning.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace moe {
namespace {

constexpr std::string_view kThinkOpen = "<think>";
constexpr std::string_view kThinkClose = "</think>";
constexpr std::string_view kGemmaOpen = "<|channel>";
constexpr std::string_view kGemmaClose = "<channel|>";
constexpr std::string_view kHarmonyStart = "<|start|>";
constexpr std::string_view kHarmonyChannel = "<|channel|>";
constexpr std::string_view kHarmonyMessage = "<|message|>";
// End a message: of any kind, of a tool call, of the reply.
constexpr std::array<std::string_view, 3> kHarmonyEnds = {"<|end|>", "<|call|>", "<|return|>"};

// A header that goes on for longer is none: the model does not keep to its format, and what it wrote is kept.
constexpr std::size_t kLongestHeader = 256;

constexpr std::string_view kBlanks = " \t\r\n";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string_view trimmed_back(std::string_view text) {
  const std::size_t last = text.find_last_not_of(kBlanks);
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

// How much of the end of `text` could be the beginning of a marker.
std::size_t partial_marker(std::string_view text, std::initializer_list<std::string_view> markers) {
  std::size_t longest = 0;
  for (const std::string_view marker : markers) {
    for (std::size_t n = std::min(marker.size() - 1, text.size()); n > longest; --n) {
      if (marker.starts_with(text.substr(text.size() - n))) longest = n;
    }
  }
  return longest;
}

struct Found {
  std::size_t at = std::string_view::npos;
  std::string_view marker;
};

Found first_of(std::string_view text, std::initializer_list<std::string_view> markers) {
  Found first;
  for (const std::string_view marker : markers) {
    const std::size_t at = text.find(marker);
    if (at < first.at) first = {at, marker};
  }
  return first;
}

bool opens_think(std::string_view prompt) { return trimmed_back(prompt).ends_with(kThinkOpen); }

// The prompt ends with a channel that is not closed.
bool opens_gemma(std::string_view prompt) {
  const std::size_t open = prompt.rfind(kGemmaOpen);
  if (open == std::string_view::npos) return false;
  return trimmed_back(prompt.substr(open)) == "<|channel>thought";
}

// An empty thought ends the prompt: the answer follows at once.
bool empty_think(std::string_view prompt) { return trimmed_back(prompt).ends_with(kThinkClose); }

}  // namespace

ReasoningFormat reasoning_format_of(std::string_view source) {
  if (contains(source, kHarmonyChannel) && contains(source, kHarmonyMessage)) return ReasoningFormat::harmony;
  if (contains(source, kGemmaOpen) && contains(source, kGemmaClose)) return ReasoningFormat::gemma_channel;
  return ReasoningFormat::think_tags;
}

ReasoningSplitter::ReasoningSplitter(ReasoningFormat format, std::string_view prompt)
    : format_(format), place_(Place::answer) {
  switch (format) {
    case ReasoningFormat::none:
      break;
    case ReasoningFormat::think_tags:
      if (opens_think(prompt)) {
        begin_thought();
      } else if (empty_think(prompt)) {
        trim_front_ = true;
      } else {
        place_ = Place::start;
      }
      break;
    case ReasoningFormat::gemma_channel:
      if (opens_gemma(prompt)) begin_thought();
      break;
    case ReasoningFormat::harmony: {
      // The prompt ends after "<|start|>assistant", or already names the channel, or stands inside its text.
      const std::size_t start = prompt.rfind(kHarmonyStart);
      if (start == std::string_view::npos) break;
      buffer_ = prompt.substr(start);
      ReasoningDelta dropped;
      step(dropped, false);
      from_prompt_ = place_ == Place::header ? buffer_.size() : 0;
      break;
    }
  }
}

void ReasoningSplitter::begin_thought() {
  place_ = Place::thought;
  state_.closed = false;
  trim_front_ = true;
}

void ReasoningSplitter::end_thought() {
  place_ = Place::answer;
  state_.closed = true;
  held_.clear();
  trim_front_ = true;
}

void ReasoningSplitter::emit(ReasoningDelta& out, std::size_t size) {
  std::string_view text = std::string_view(buffer_).substr(0, size);
  if (trim_front_) {
    const std::size_t first = text.find_first_not_of(kBlanks);
    text.remove_prefix(std::min(first, text.size()));
    if (!text.empty()) trim_front_ = false;
  }
  if (place_ == Place::thought) {
    // Blanks at the end may be the ones before the closing marker.
    const std::string_view solid = trimmed_back(text);
    if (!solid.empty()) {
      out.thought += held_;
      out.thought += solid;
      held_.clear();
      state_.had_thought = true;
    }
    held_ += text.substr(solid.size());
  } else {
    out.answer += text;
  }
  buffer_.erase(0, size);
}

ReasoningDelta ReasoningSplitter::push(std::string_view text) {
  ReasoningDelta out;
  buffer_ += text;
  step(out, false);
  return out;
}

ReasoningDelta ReasoningSplitter::finish() {
  ReasoningDelta out;
  step(out, true);
  return out;
}

void ReasoningSplitter::step(ReasoningDelta& out, bool last) {
  bool more = true;
  while (more) {
    switch (format_) {
      case ReasoningFormat::none:
        emit(out, buffer_.size());
        more = false;
        break;
      case ReasoningFormat::think_tags:
        more = step_think(out, last);
        break;
      case ReasoningFormat::gemma_channel:
        more = step_gemma(out, last);
        break;
      case ReasoningFormat::harmony:
        more = step_harmony(out, last);
        break;
    }
  }
}

// Each step returns whether it made headway and should be called again.
bool ReasoningSplitter::step_think(ReasoningDelta& out, bool last) {
  if (place_ == Place::start) {
    const std::size_t first = std::min(buffer_.find_first_not_of(kBlanks), buffer_.size());
    const std::string_view rest = std::string_view(buffer_).substr(first);
    if (rest.starts_with(kThinkOpen)) {
      buffer_.erase(0, first + kThinkOpen.size());
      begin_thought();
      return true;
    }
    if (!last && kThinkOpen.starts_with(rest)) return false;  // may still become one
    place_ = Place::answer;
  }
  if (place_ == Place::answer) {
    emit(out, buffer_.size());
    return false;
  }
  const std::size_t close = buffer_.find(kThinkClose);
  if (close != std::string::npos) {
    emit(out, close);
    buffer_.erase(0, kThinkClose.size());
    end_thought();
    return true;
  }
  emit(out, buffer_.size() - (last ? 0 : partial_marker(buffer_, {kThinkClose})));
  return false;
}

bool ReasoningSplitter::step_gemma(ReasoningDelta& out, bool last) {
  if (place_ == Place::header) {
    // The channel's name ends its line, or the whole channel.
    const std::size_t line = buffer_.find('\n');
    const std::size_t close = buffer_.find(kGemmaClose);
    if (line == std::string::npos && close == std::string::npos && !last && buffer_.size() < kLongestHeader)
      return false;
    const bool named = line < close;
    buffer_.erase(0, named ? line + 1 : std::min(close, buffer_.size()));
    begin_thought();
    return true;
  }
  const bool thinking = place_ == Place::thought;
  const std::string_view marker = thinking ? kGemmaClose : kGemmaOpen;
  const std::size_t at = buffer_.find(marker);
  if (at == std::string::npos) {
    emit(out, buffer_.size() - (last ? 0 : partial_marker(buffer_, {marker})));
    return false;
  }
  emit(out, at);
  buffer_.erase(0, marker.size());
  if (thinking) {
    end_thought();
  } else {
    place_ = Place::header;
    state_.closed = false;
  }
  return true;
}

bool ReasoningSplitter::step_harmony(ReasoningDelta& out, bool last) {
  if (place_ == Place::header) {
    const std::size_t message = buffer_.find(kHarmonyMessage);
    if (message == std::string::npos) {
      if (!last && buffer_.size() < kLongestHeader) return false;
      buffer_.erase(0, std::min(from_prompt_, buffer_.size()));
      from_prompt_ = 0;
      place_ = Place::answer;
      emit(out, buffer_.size());
      return false;
    }
    from_prompt_ = 0;
    // "assistant<|channel|>analysis to=... <|constrain|>json"
    const std::string_view header = std::string_view(buffer_).substr(0, message);
    const std::size_t channel = header.find(kHarmonyChannel);
    const std::string_view name =
        channel == std::string_view::npos ? header : header.substr(channel + kHarmonyChannel.size());
    const bool final =
        name.starts_with("final") || (channel == std::string_view::npos && name == "assistant");
    buffer_.erase(0, message + kHarmonyMessage.size());
    if (final) {
      end_thought();
      trim_front_ = false;
    } else {
      begin_thought();
      trim_front_ = false;
    }
    return true;
  }
  const auto found =
      first_of(buffer_, {kHarmonyStart, kHarmonyChannel, kHarmonyEnds[0], kHarmonyEnds[1], kHarmonyEnds[2]});
  if (found.at == std::string_view::npos) {
    emit(out,
         buffer_.size() - (last ? 0
                                : partial_marker(buffer_, {kHarmonyStart, kHarmonyChannel, kHarmonyEnds[0],
                                                           kHarmonyEnds[1], kHarmonyEnds[2]})));
    return false;
  }
  emit(out, found.at);
  if (found.marker == kHarmonyStart) {
    buffer_.erase(0, found.marker.size());
    place_ = Place::header;
  } else if (found.marker == kHarmonyChannel) {
    place_ = Place::header;  // the marker is part of the header
  } else {
    buffer_.erase(0, found.marker.size());
    if (place_ == Place::thought) {
      out.thought += held_;
      end_thought();
      trim_front_ = false;
    }
  }
  return true;
}

SplitReply split_reply(ReasoningFormat format, std::string_view reply, std::string_view prompt) {
  ReasoningSplitter splitter(format, prompt);
  ReasoningDelta first = splitter.push(reply);
  const ReasoningDelta rest = splitter.finish();
  return {first.thought + rest.thought, first.answer + rest.answer, splitter.state()};
}

}  // namespace moe
