// The filters that lm_eval 0.4 applies to the tasks we share with it, quirks included (first match,
// "[invalid]").
#include <algorithm>
#include <optional>

#include "eval/extract/chains.h"
#include "eval/extract/scan.h"

namespace moe::eval::chains {
namespace {

bool is_number_byte(char c) { return is_ascii_digit(c) || c == '.' || c == ','; }

// -?[0-9.,]+ at `at`; returns its end, or `at`.
std::size_t number_run(std::string_view text, std::size_t at) {
  const std::size_t begin = at < text.size() && text[at] == '-' ? at + 1 : at;
  std::size_t end = begin;
  while (end < text.size() && is_number_byte(text[end])) ++end;
  return end == begin ? at : end;
}

}  // namespace

Extraction strict_match(const Question&, std::string_view text, bool) {
  constexpr std::string_view kMarker = "#### ";
  for (std::size_t at = text.find(kMarker); at != std::string_view::npos; at = text.find(kMarker, at + 1)) {
    const std::size_t begin = at + kMarker.size();
    const std::size_t end = number_run(text, begin);
    if (end > begin) return {std::string(text.substr(begin, end - begin)), "strict-match"};
  }
  return {};
}

Extraction strict_match_cot(const Question&, std::string_view text, bool) {
  constexpr std::string_view kMarker = "The answer is ";
  for (std::size_t at = text.find(kMarker); at != std::string_view::npos; at = text.find(kMarker, at + 1)) {
    const std::size_t begin = at + kMarker.size();
    std::size_t end = number_run(text, begin);
    if (end == begin) continue;
    // The pattern wants one more character on the line; if there is none, the number gives its last one up.
    if (end == text.size() || text[end] == '\n') --end;
    const std::size_t digits = text[begin] == '-' ? begin + 1 : begin;
    if (end > digits) return {std::string(text.substr(begin, end - begin)), "strict-match-cot"};
  }
  return {};
}

Extraction flexible_extract(const Question&, std::string_view text, bool) {
  const auto in_run = [&](std::size_t at) {
    return at < text.size() && (is_number_byte(text[at]) || text[at] == '$');
  };
  std::optional<std::string_view> last;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text[at] == '-' ? at + 1 : at;
    std::size_t end = begin;
    while (in_run(end)) ++end;
    const std::size_t run = end - begin;
    if (run >= 2 || (run == 1 && is_ascii_digit(text[begin]))) {
      last = text.substr(at, end - at);
      at = end;
    } else {
      ++at;
    }
  }
  return last ? Extraction{std::string(*last), "flexible-extract"} : Extraction{};
}

Extraction minerva(const Question&, std::string_view text, bool) {
  constexpr std::string_view kOpen = "Final Answer: The final answer is", kEnd = "I hope it is correct.";
  // The harness appends the closing sentence itself, so an answer cut before it still counts.
  const std::string whole = std::string(text) + std::string(kEnd);
  const std::string_view view = whole;
  // Where a value may end: before one character of any kind but a line feed, a space, and the closing
  // sentence.
  std::vector<std::size_t> ends;
  for (std::size_t at = view.find(kEnd); at != std::string_view::npos; at = view.find(kEnd, at + 1)) {
    if (at < 2 || view[at - 1] != ' ' || view[at - 2] == '\n') continue;
    ends.push_back(at - 1 - code_point_before(view, at - 1).bytes);
  }
  std::size_t line = 0;  // the line feed after `begin`, looked for once a line
  for (std::size_t at = view.find(kOpen); at != std::string_view::npos; at = view.find(kOpen, at + 1)) {
    const std::size_t begin = at + kOpen.size();
    if (line <= begin) line = std::min(view.find('\n', begin), view.size());
    const auto end = std::lower_bound(ends.begin(), ends.end(), begin);
    if (end == ends.end() || *end > line) continue;
    return {std::string(strip(view.substr(begin, *end - begin))), "minerva"};
  }
  return {};
}

Extraction remove_whitespace(const Question&, std::string_view text, bool) {
  const std::string_view value = strip(text);
  return value.empty() ? Extraction{} : Extraction{std::string(value), "whole-reply"};
}

}  // namespace moe::eval::chains
