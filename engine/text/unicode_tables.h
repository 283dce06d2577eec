// Generated tables of code points; unicode.h is how the rest of the code asks about them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace moe::unicode_tables {

struct CodeRange {
  std::uint32_t first, last;  // both belong to the range
};
struct LowerRun {
  std::uint32_t first, last, step;
  std::int32_t delta;
};

extern const std::uint32_t category_runs[];  // start << 8 | Category
extern const std::size_t category_runs_count;
extern const LowerRun lower_runs[];
extern const std::size_t lower_runs_count;

extern const CodeRange white_space[], regex_word_extra[], rust_word[], numeric[], punctuation[],
    combining_mark[], bert_control[], bert_nonspacing[], canonical_decomposition[],
    compatibility_decomposition[], combining_class[], newer[];
extern const std::size_t white_space_count, regex_word_extra_count, rust_word_count, numeric_count,
    punctuation_count, combining_mark_count, bert_control_count, bert_nonspacing_count,
    canonical_decomposition_count, compatibility_decomposition_count, combining_class_count, newer_count;

}  // namespace moe::unicode_tables
