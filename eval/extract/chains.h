// The functions behind the named chains; extractor.cpp lists them.
#pragma once

#include <string_view>

#include "eval/extract/extractor.h"

namespace moe::eval::chains {

// Our own (strict.cpp, lenient.cpp).
Extraction strict(const Question& question, std::string_view text, bool truncated);
Extraction lenient(const Question& question, std::string_view text, bool truncated);

// The study's published behaviours (study.cpp).
Extraction study_v1(const Question& question, std::string_view text, bool truncated);
Extraction study_v3(const Question& question, std::string_view text, bool truncated);
Extraction study_final(const Question& question, std::string_view text, bool truncated);
Extraction study_lenient(const Question& question, std::string_view text, bool truncated);

// lm_eval's filters (harness.cpp).
Extraction strict_match(const Question& question, std::string_view text, bool truncated);
Extraction strict_match_cot(const Question& question, std::string_view text, bool truncated);
Extraction flexible_extract(const Question& question, std::string_view text, bool truncated);
Extraction minerva(const Question& question, std::string_view text, bool truncated);
Extraction remove_whitespace(const Question& question, std::string_view text, bool truncated);

}  // namespace moe::eval::chains
