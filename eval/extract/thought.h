// Finding the thought in a stored response of a model whose own markers are not known.
#pragma once

#include <string>
#include <string_view>

namespace moe::eval {

struct ThoughtSplit {
  std::string_view answer;  // what follows the last closed thought; all of the text where there is no marker
  bool unclosed = false;    // a thought was opened after the last closed one and never ended
};

// Knows <think>, <thinking>, <thought>, <reasoning>, <|startofthink|>, [THINK], Gemma 4's <|channel>thought
// and gpt-oss's channels. A closing marker without an opening one (the template opened the thought) closes
// what stands before it.
ThoughtSplit split_thought(std::string_view text);

}  // namespace moe::eval
