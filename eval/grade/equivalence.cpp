// Whether two answers written in LaTeX mean the same mathematical object.
#include "eval/grade/equivalence.h"

#include <optional>
#include <utility>

#include "eval/extract/scan.h"
#include "eval/grade/latex_tokens.h"
#include "eval/grade/math_object.h"

namespace moe::eval {
namespace {

// A fraction of a second of work at most: a transcendental function costs about a hundred units.
constexpr long kUnits = 200'000;

// Spelling that never changes a meaning: spaces, sizes of brackets, kinds of fraction bars, dollar signs.
std::string spelled(std::string_view text) {
  std::string out;
  const auto skip = [&](std::size_t at, std::string_view word) {
    return text.substr(at, word.size()) == word;
  };
  for (std::size_t at = 0; at < text.size();) {
    bool skipped = false;
    for (const std::string_view word : {"\\left", "\\right"}) {
      // \leftarrow and \rightarrow are other words.
      if (skip(at, word) && !(at + word.size() < text.size() && is_ascii_letter(text[at + word.size()]))) {
        at += word.size();
        skipped = true;
      }
    }
    for (const std::string_view word : {"\\!", "\\,", "\\;", "\\ ", "\\:", "\\(", "\\)", "\\$", "$"}) {
      if (!skipped && skip(at, word)) {
        at += word.size();
        skipped = true;
      }
    }
    for (const std::string_view word : {"\\dfrac", "\\tfrac", "\\cfrac"}) {
      if (!skipped && skip(at, word)) {
        out += "\\frac";
        at += word.size();
        skipped = true;
      }
    }
    if (skipped) continue;
    const CodePoint here = code_point_at(text, at);
    if (!is_space(here.value)) out += text.substr(at, here.bytes);
    at += here.bytes;
  }
  while (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

std::optional<MathObject> read(std::string_view text, bool comma_lists, bool& separated) {
  try {
    return parse_answer(text, comma_lists, separated);
  } catch (const NotReadable&) {
    return std::nullopt;
  }
}

Verdict compare_read(const std::optional<MathObject>& a, const std::optional<MathObject>& b, Budget& budget) {
  if (!a || !b) return Verdict::undecided;
  try {
    return compare_objects(*a, *b, budget);
  } catch (const CannotEvaluate&) {
    return Verdict::undecided;
  }
}

}  // namespace

Verdict math_equivalent(std::string_view value, std::string_view gold) {
  value = strip(value);
  gold = strip(gold);
  if (value.empty() || gold.empty())
    return value.empty() == gold.empty() ? Verdict::equal : Verdict::different;
  if (value.size() > kMostAnswerBytes || gold.size() > kMostAnswerBytes) {
    return value == gold ? Verdict::equal : Verdict::undecided;
  }
  if (spelled(value) == spelled(gold)) return Verdict::equal;
  Budget budget(kUnits);
  bool separated_a = false, separated_b = false, ignored = false;
  const auto a = read(value, false, separated_a);
  const auto b = read(gold, false, separated_b);
  const Verdict verdict = compare_read(a, b, budget);
  if (verdict == Verdict::equal || !(separated_a || separated_b)) return verdict;
  // 1,234 may be a number or a list: if the other reading makes them equal, they are.
  const auto list_a = separated_a ? read(value, true, ignored) : a;
  const auto list_b = separated_b ? read(gold, true, ignored) : b;
  for (const auto& [x, y] : {std::pair{&list_a, &b}, std::pair{&a, &list_b}, std::pair{&list_a, &list_b}}) {
    if (compare_read(*x, *y, budget) == Verdict::equal) return Verdict::equal;
  }
  return verdict;
}

}  // namespace moe::eval
