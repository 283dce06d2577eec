// exp and its relatives on vectors: the operations of kernels/scalar_math.h, lane by lane. Included inside a
// target region after a vec_*-inl.h; MOE_SIMD names that namespace.

namespace moe::kernels::MOE_SIMD {
namespace {

inline Vec negate(Vec x) { return bit_xor(x, set1(-0.0F)); }
inline Vec magnitude_of(Vec x) { return bit_and(x, set1(std::bit_cast<float>(0x7FFFFFFFU))); }

// exp of x that are not above kExpHigh.
inline Vec exp_bounded(Vec x) {
  const Vec magic = set1(kRoundMagic);
  const Vec t = fma(x, set1(kLog2E), magic);
  const Vec n = sub(t, magic);
  const Vec r = fma(n, set1(-kLn2Low), fma(n, set1(-kLn2High), x));
  Vec p = fma(set1(kExpP7), r, set1(kExpP6));
  p = fma(p, r, set1(kExpP5));
  p = fma(p, r, set1(kExpP4));
  p = fma(p, r, set1(kExpP3));
  p = fma(p, r, set1(kExpP2));
  p = add(fma(p, mul(r, r), r), set1(1.0F));
  return scale_by_power(p, n, t, x, set1(kExpLow));
}
inline Vec exp(Vec x) {
  return select(less(set1(kExpHigh), x), set1(std::numeric_limits<float>::infinity()), exp_bounded(x));
}

inline Vec sigmoid(Vec x) { return div(set1(1.0F), add(set1(1.0F), exp(negate(x)))); }
inline Vec silu(Vec x) { return div(x, add(set1(1.0F), exp(negate(x)))); }

inline Vec gelu_tanh(Vec x) {
  const Vec u = mul(set1(kGeluTwoSqrt2OverPi), fma(mul(set1(kGeluCubic), mul(x, x)), x, x));
  return div(x, add(set1(1.0F), exp(negate(u))));
}

inline Vec tanh(Vec x) {
  const Vec magnitude = magnitude_of(x);
  const Vec z = mul(x, x);
  Vec p = fma(set1(kTanhP4), z, set1(kTanhP3));
  p = fma(p, z, set1(kTanhP2));
  p = fma(p, z, set1(kTanhP1));
  p = fma(p, z, set1(kTanhP0));
  const Vec small = fma(mul(p, z), x, x);
  const Vec large = sub(set1(1.0F), div(set1(2.0F), add(exp(add(magnitude, magnitude)), set1(1.0F))));
  const Vec sign = bit_and(x, set1(-0.0F));
  return select(less(magnitude, set1(kTanhSmall)), small, bit_or(magnitude_of(large), sign));
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
