// Hand-written equals of the splitting patterns that nearly every byte-level tokenizer uses.
//
// A known pattern is recognised by its exact text. Each scanner finds the same matches as its regular
// expression (the tests compare the two), in one pass, without a backtracking engine.
#pragma once

#include <cstddef>
#include <string_view>

namespace moe {

enum class KnownPattern {
  none,
  gpt2,    // the pattern of ByteLevel's use_regex
  llama3,  // cl100k: three digits at a time
  qwen2,   // the same, one digit at a time
  o200k,   // upper- and lower-case runs apart: gpt-oss, Phi-4-mini
};

KnownPattern known_pattern(std::string_view regex) noexcept;
// The regular expression itself; empty for none.
std::string_view pattern_text(KnownPattern pattern) noexcept;

// The end of the match that starts at `at` (< text.size()) in valid UTF-8. These patterns match at every
// position, so the matches lie side by side and cover the text.
std::size_t match_known(KnownPattern pattern, std::string_view text, std::size_t at) noexcept;

}  // namespace moe
