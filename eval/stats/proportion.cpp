// Statistics of a proportion.
#include "eval/stats/proportion.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>

namespace moe::eval {

double normal_quantile(double probability) { return boost::math::quantile(boost::math::normal(), probability); }

Interval wilson(std::size_t successes, std::size_t n, double confidence) {
  if (n == 0) return {};
  const double z = normal_quantile(0.5 + confidence / 2);
  const double count = static_cast<double>(n), p = static_cast<double>(successes) / count;
  const double centre = p + z * z / (2 * count);
  const double half = z * std::sqrt(p * (1 - p) / count + z * z / (4 * count * count));
  const double scale = 1 + z * z / count;
  // At the ends the formula gives 0 and 1 but for rounding.
  return {successes == 0 ? 0.0 : std::max(0.0, (centre - half) / scale),
          successes == n ? 1.0 : std::min(1.0, (centre + half) / scale)};
}

double mean_stderr(std::size_t successes, std::size_t n) {
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  const double count = static_cast<double>(n), p = static_cast<double>(successes) / count;
  return std::sqrt(p * (1 - p) / (count - 1));
}

}  // namespace moe::eval
