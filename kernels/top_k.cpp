// Parts of selection that no instruction set changes.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/tables.h"

namespace moe::kernels {
namespace {

// NaN is smaller than everything, itself excepted.
bool greater(float a, float b) noexcept { return a > b || (std::isnan(b) && !std::isnan(a)); }

}  // namespace

int top_k_insert(float value, std::int32_t index, int size, int k, float* values,
                 std::int32_t* indices) noexcept {
  if (k == 0 || (size == k && !greater(value, values[k - 1]))) return size;
  int at = size < k ? size++ : k - 1;
  for (; at > 0 && greater(value, values[at - 1]); --at) {
    values[at] = values[at - 1];
    indices[at] = indices[at - 1];
  }
  values[at] = value;
  indices[at] = index;
  return size;
}

void top_k_by_sorting(const float* x, std::int64_t n, int k, float* values, std::int32_t* indices) {
  thread_local std::vector<std::int32_t> order;
  order.resize(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const auto before = [x](std::int32_t a, std::int32_t b) {
    return greater(x[a], x[b]) || (!greater(x[b], x[a]) && a < b);
  };
  if (k < n) std::nth_element(order.begin(), order.begin() + k, order.end(), before);
  std::sort(order.begin(), order.begin() + k, before);
  for (int i = 0; i < k; ++i) {
    indices[i] = order[static_cast<std::size_t>(i)];
    values[i] = x[indices[i]];
  }
}

double log_sum_exp_of_infinite(const float* x, std::int64_t n, float maximum) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    if (std::isnan(x[i])) return static_cast<double>(x[i]);
  }
  return static_cast<double>(maximum);
}

}  // namespace moe::kernels
