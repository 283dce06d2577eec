// Statistics of a proportion.
#include "eval/stats/proportion.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

namespace moe::eval {

double normal_quantile(double probability) { return boost::math::quantile(boost::math::normal(), probability); }

Interval wilson(std::size_t successes, std::size_t n, double confidence) {
  const auto count = static_cast<double>(n);
  return wilson_of_share(static_cast<double>(successes) / count, count, confidence);
}

Interval wilson_of_share(double share, double n, double confidence) {
  if (!(n > 0)) return {};
  const double z = normal_quantile(0.5 + confidence / 2);
  const double centre = share + z * z / (2 * n);
  const double half = z * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  // At the ends the formula gives 0 and 1 but for rounding.
  return {share <= 0 ? 0.0 : std::max(0.0, (centre - half) / scale), share >= 1 ? 1.0 : std::min(1.0, (centre + half) / scale)};
}

}  // namespace moe::eval
