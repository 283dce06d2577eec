// Whether two answers written in LaTeX mean the same mathematical object.
#pragma once

#include <string_view>

#include "eval/grade/grade.h"

namespace moe::eval {

// `equal` and `different` are claims; `undecided` says that neither could be shown. Bounded in time and
// memory for any text; never throws. Thread-safe.
Verdict math_equivalent(std::string_view value, std::string_view gold);

}  // namespace moe::eval
