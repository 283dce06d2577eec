// Mathematical equivalence on any two texts: it ends, never throws, is the same both ways round, and finds every
// text equal to itself.
#include <cstring>

#include "eval/grade/equivalence.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moe::eval;
  using moe::fuzz::check;
  const std::string_view text = moe::fuzz::text(data, size);
  const std::size_t half = text.find('\n');
  const std::string_view left = text.substr(0, half);
  const std::string_view right = half == std::string_view::npos ? "\\frac{1}{2}" : text.substr(half + 1);
  check(math_equivalent(left, left) == Verdict::equal);
  const Verdict there = math_equivalent(left, right), back = math_equivalent(right, left);
  // One way round may run out of work where the other does not; two claims must never contradict each other.
  check(there == back || there == Verdict::undecided || back == Verdict::undecided);
  return 0;
}
