// Parts of the real line: unions of intervals and points, brought to one normal form.
#pragma once

#include "eval/grade/math_object.h"

namespace moe::eval {

// Whether the object can be a part of the real line: an interval, a finite set, a region, a number.
bool is_region_like(const MathObject& object);

// Compares two of them as sets of real numbers; `undecided` where an endpoint is not a known real number.
Verdict compare_regions(const MathObject& a, const MathObject& b, Budget& budget);

}  // namespace moe::eval
