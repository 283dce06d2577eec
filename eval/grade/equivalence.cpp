// Whether two answers written in LaTeX mean the same mathematical object.
#include "eval/grade/equivalence.h"

#include "eval/extract/scan.h"

namespace moe::eval {

Verdict math_equivalent(std::string_view value, std::string_view gold) {
  if (strip(value) == strip(gold)) return Verdict::equal;
  return same_number(value, gold);
}

}  // namespace moe::eval
