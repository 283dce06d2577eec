// The kernels over single vectors, for any instruction set. Included inside a target region; see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

// y[i] = f(a[i]) or f(a[i], b[i]), a tail padded with zeros.
template <typename F>
inline void map(const float* a, std::int64_t n, float* y, F f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(a + i)));
  if (i < n) store_partial(y + i, f(load_partial(a + i, n - i)), n - i);
}
template <typename F>
inline void map(const float* a, const float* b, std::int64_t n, float* y, F f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(a + i), load(b + i)));
  if (i < n) store_partial(y + i, f(load_partial(a + i, n - i), load_partial(b + i, n - i)), n - i);
}

float dot(const float* a, const float* b, std::int64_t n) {
  Vec sum = zero();
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = fma(load(a + i), load(b + i), sum);
  if (i < n) sum = fma(load_partial(a + i, n - i), load_partial(b + i, n - i), sum);
  return tree_sum(sum);
}

float maximum(const float* x, std::int64_t n) {
  const float lowest = -std::numeric_limits<float>::infinity();
  Vec most = set1(lowest);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) most = max(most, load(x + i));
  if (i < n)
    most = select(lane_range(0, static_cast<int>(n - i)), max(most, load_partial(x + i, n - i)), most);
  return tree_max(most);
}

void rmsnorm(const float* x, const float* weight, bool add_one, float eps, std::int64_t n, float* y) {
  const Vec factor = set1(1.0F / std::sqrt(dot(x, x, n) / static_cast<float>(n) + eps));
  if (weight == nullptr) {
    map(x, n, y, [&](Vec v) { return mul(v, factor); });
  } else if (add_one) {
    map(x, weight, n, y, [&](Vec v, Vec w) { return mul(mul(v, factor), add(set1(1.0F), w)); });
  } else {
    map(x, weight, n, y, [&](Vec v, Vec w) { return mul(mul(v, factor), w); });
  }
}

void rope_half_split(float* a, float* b, const float* cos, const float* sin, int half) {
  int j = 0;
  for (; j + kLanes <= half; j += kLanes) {
    const Vec x = load(a + j), y = load(b + j), c = load(cos + j), s = load(sin + j);
    store(a + j, sub(mul(x, c), mul(y, s)));
    store(b + j, add(mul(y, c), mul(x, s)));
  }
  if (const int left = half - j; left > 0) {
    const Vec x = load_partial(a + j, left), y = load_partial(b + j, left);
    const Vec c = load_partial(cos + j, left), s = load_partial(sin + j, left);
    store_partial(a + j, sub(mul(x, c), mul(y, s)), left);
    store_partial(b + j, add(mul(y, c), mul(x, s)), left);
  }
}

void rope_interleaved(float* v, const float* cos, const float* sin, int half) {
  for (int j = 0; j < half; j += kLanes) {
    const int lanes = std::min(kLanes, half - j);
    float padded[2 * kLanes] = {};
    std::memcpy(padded, v + 2 * j, static_cast<std::size_t>(lanes) * 2 * sizeof(float));
    Vec x, y;
    load_pairs(padded, &x, &y);
    const Vec c = load_partial(cos + j, lanes), s = load_partial(sin + j, lanes);
    store_pairs(padded, sub(mul(x, c), mul(y, s)), add(mul(y, c), mul(x, s)));
    std::memcpy(v + 2 * j, padded, static_cast<std::size_t>(lanes) * 2 * sizeof(float));
  }
}

void rope(float* x, int heads, std::ptrdiff_t head_stride, const float* cos, const float* sin, int half,
          int pair_offset, RopeLayout layout) {
  for (int head = 0; head < heads; ++head) {
    float* v = x + head * head_stride;
    if (layout == RopeLayout::half_split) {
      rope_half_split(v, v + pair_offset, cos, sin, half);
    } else {
      rope_interleaved(v, cos, sin, half);
    }
  }
}

inline Vec silu_gate(Vec gate, Vec up) { return mul(silu(gate), up); }
inline Vec gelu_tanh_gate(Vec gate, Vec up) { return mul(gelu_tanh(gate), up); }
inline Vec clamped_swiglu_gate(Vec gate, Vec up, Vec alpha, Vec limit) {
  const Vec one = set1(1.0F);
  gate = min(limit, gate);
  up = max(negate(limit), min(limit, up));
  return mul(add(up, one), div(gate, add(one, exp(negate(mul(alpha, gate))))));
}

void silu_mul(const float* gate, const float* up, std::int64_t n, float* out) {
  map(gate, up, n, out, silu_gate);
}
void gelu_tanh_mul(const float* gate, const float* up, std::int64_t n, float* out) {
  map(gate, up, n, out, gelu_tanh_gate);
}
void clamped_swiglu(const float* gate, const float* up, float alpha, float limit, std::int64_t n,
                    float* out) {
  map(gate, up, n, out,
      [a = set1(alpha), l = set1(limit)](Vec g, Vec u) { return clamped_swiglu_gate(g, u, a, l); });
}

// Sum of exp(x - m) over n elements in the lanes of the definition; the exponentials go to y unless it is
// null.
Vec exp_lanes(const float* x, Vec m, std::int64_t n, float* y) {
  Vec sum = zero();
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vec p = exp(sub(load(x + i), m));
    if (y != nullptr) store(y + i, p);
    sum = add(sum, p);
  }
  if (i < n) {
    const Vec p = exp(sub(load_partial(x + i, n - i), m));
    if (y != nullptr) store_partial(y + i, p, n - i);
    sum = select(lane_range(0, static_cast<int>(n - i)), add(sum, p), sum);
  }
  return sum;
}

void softmax(float* x, std::int64_t n) {
  const Vec sum = set1(tree_sum(exp_lanes(x, set1(maximum(x, n)), n, x)));
  map(x, n, x, [&](Vec p) { return div(p, sum); });
}

double log_sum_exp(const float* x, std::int64_t n) {
  const float m = maximum(x, n);
  if (std::fabs(m) == std::numeric_limits<float>::infinity()) return log_sum_exp_of_infinite(x, n, m);
  double total = 0.0;
  for (std::int64_t begin = 0; begin < n; begin += 1024) {
    total += static_cast<double>(
        tree_sum(exp_lanes(x + begin, set1(m), std::min<std::int64_t>(1024, n - begin), nullptr)));
  }
  return static_cast<double>(m) + std::log(total);
}

void sigmoid_map(const float* x, std::int64_t n, float* y) {
  map(x, n, y, [](Vec v) { return sigmoid(v); });
}
void softcap(const float* x, float cap, std::int64_t n, float* y) {
  map(x, n, y, [c = set1(cap)](Vec v) { return mul(c, tanh(div(v, c))); });
}
void add_map(const float* a, const float* b, std::int64_t n, float* y) {
  map(a, b, n, y, [](Vec u, Vec v) { return add(u, v); });
}
void scale(const float* x, float factor, std::int64_t n, float* y) {
  map(x, n, y, [f = set1(factor)](Vec v) { return mul(f, v); });
}
void scale_add(const float* x, float factor, std::int64_t n, float* y) {
  map(x, y, n, y, [f = set1(factor)](Vec v, Vec old) { return fma(f, v, old); });
}

// Most elements fail against the least of the current selection, 16 at a glance.
void top_k(const float* x, std::int64_t n, int k, float* values, std::int32_t* indices) {
  if (k > 64) return top_k_by_sorting(x, n, k, values, indices);
  if (k == 0) return;
  int size = 0;
  std::int64_t i = 0;
  for (; i < std::min<std::int64_t>(n, k); ++i) {
    size = top_k_insert(x[i], static_cast<std::int32_t>(i), size, k, values, indices);
  }
  for (; i + kLanes <= n; i += kLanes) {
    // Greater, or either is NaN: top_k_insert decides those.
    for (unsigned bits = not_less_equal_bits(load(x + i), set1(values[k - 1])); bits != 0; bits &= bits - 1) {
      const std::int64_t at = i + std::countr_zero(bits);
      size = top_k_insert(x[at], static_cast<std::int32_t>(at), size, k, values, indices);
    }
  }
  for (; i < n; ++i) size = top_k_insert(x[i], static_cast<std::int32_t>(i), size, k, values, indices);
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
