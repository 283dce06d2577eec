// Where a response marks its answer: '####' lines, \boxed{...}, "the answer is ...".
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace moe::eval {

struct Marked {
  std::string_view rule;     // "hash", "boxed", "answer-is"
  std::string_view content;  // what the marker sets apart, stripped; never empty
  std::size_t position = 0;  // where the marker begins
  bool at_end = false;       // nothing shows that the content is complete: it runs into the end of the text
};

// '####' marks (content: the rest of the line) and \boxed or \fbox (content: the braces', nested ones
// included, or what follows without braces up to a space or '$'), in the order of the text. Linear.
std::vector<Marked> explicit_marks(std::string_view text);

// Sentences that name the answer: "the answer is X", "Final answer: X", "**Answer:** X" (X may stand on the
// next line), in the order of the text. Content is cut at 400 bytes, which keeps this linear.
std::vector<Marked> answer_sentences(std::string_view text);

}  // namespace moe::eval
