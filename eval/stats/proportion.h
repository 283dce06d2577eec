// Statistics of a proportion: correct answers among those asked.
#pragma once

#include <cstddef>

namespace moe::eval {

struct Interval {
  double low = 0, high = 1;
};

// Wilson's score interval for `successes` of `n` (Wilson 1927), by default at 95 %. n = 0 gives [0, 1].
Interval wilson(std::size_t successes, std::size_t n, double confidence = 0.95);

// The same for a share of `n` trials that need not be whole (several samples of one thing count as less than several).
Interval wilson_of_share(double share, double n, double confidence = 0.95);

// The value below which a standard normal variable falls with this probability (0 < p < 1).
double normal_quantile(double probability);

}  // namespace moe::eval
