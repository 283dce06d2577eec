// Finding the thought in a stored response of a model whose own markers are not known.
#include "eval/extract/thought.h"

#include <array>

#include "eval/extract/scan.h"

namespace moe::eval {
namespace {

struct Markers {
  std::string_view open, close;
};

// In lower case; matched in any case. gpt-oss opens its answer with a channel of its own, which closes the
// thought.
constexpr std::array<Markers, 8> kMarkers = {{
    {"<think>", "</think>"},
    {"<thinking>", "</thinking>"},
    {"<thought>", "</thought>"},
    {"<reasoning>", "</reasoning>"},
    {"<|startofthink|>", "<|endofthink|>"},
    {"[think]", "[/think]"},
    {"<|channel>thought", "<channel|>"},
    {"<|channel|>analysis<|message|>", "<|channel|>final<|message|>"},
}};

}  // namespace

ThoughtSplit split_thought(std::string_view text) {
  ThoughtSplit out{text, false};
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '<' && c != '[') continue;
    for (const Markers& markers : kMarkers) {
      if (starts_with_nocase(text, at, markers.close)) {
        out = {text.substr(at + markers.close.size()), false};
        at += markers.close.size() - 1;
        break;
      }
      if (starts_with_nocase(text, at, markers.open)) {
        out.unclosed = true;
        at += markers.open.size() - 1;
        break;
      }
    }
  }
  if (out.unclosed) out.answer = {};
  return out;
}

}  // namespace moe::eval
