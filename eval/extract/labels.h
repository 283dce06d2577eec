// Reading option labels and formulas out of a piece of a response.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eval/extract/extractor.h"

namespace moe::eval {

// All functions return the label as the question spells it, and compare letters in any case.

// The text is a label and nothing else but brackets, emphasis, a full stop: "B", "(b).", "**C**", "\text{D}".
std::optional<std::string> whole_label(const Question& question, std::string_view text);

// The text begins with a label set apart from what follows: "B. Because", "(B) water", "option B", "B".
// A capital A followed by a word in lower case is the article.
std::optional<std::string> leading_label(const Question& question, std::string_view text);

// The last label that stands alone in the text, in upper case (or a digit label), articles left out.
std::optional<std::string> last_lone_label(const Question& question, std::string_view text);

// The whole reply is the text of exactly one option (case, spaces and a final stop apart).
std::optional<std::string> option_text_label(const Question& question, std::string_view text);

// The content of a \boxed or '####' mark as a LaTeX value: math delimiters and emphasis off, spaces stripped.
std::optional<std::string> math_value(std::string_view content);

// The value named by "the answer is ...": its first formula if it holds one, else the words up to the stop.
std::optional<std::string> math_of_sentence(std::string_view content);

// The last $...$, $$...$$, \(...\) or \[...\] of the text.
std::optional<std::string> last_formula(std::string_view text);

}  // namespace moe::eval
