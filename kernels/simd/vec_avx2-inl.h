// Sixteen floats for AVX2 + FMA + F16C: two registers. Included inside a target region; see target.h.

namespace moe::kernels::avx2 {
namespace {

// The register file in units of Vec; the sums and the rows of x a microkernel may hold: 6 x 2 registers of
// sums, 2 of weights, 1 input, 1 mask.
inline constexpr int kVecs = 8;
inline constexpr int kSumVecs = 6;
inline constexpr int kMicroRows = 6;

// Attention: query rows of a panel, and sums it may hold beside a few weights and an input.
inline constexpr int kPanelRows = 6;
inline constexpr int kPanelSums = 6;

struct Vec {
  __m256 lo, hi;
};
struct Mask {
  __m256 lo, hi;
};

inline Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Vec v) {
  _mm256_storeu_ps(p, v.lo);
  _mm256_storeu_ps(p + 8, v.hi);
}
// Past the caches, to a multiple of 64 bytes. Others see it after _mm_sfence.
inline void stream(float* p, Vec v) {
  _mm256_stream_ps(p, v.lo);
  _mm256_stream_ps(p + 8, v.hi);
}
// The first n < 16 floats, zeros behind them; nothing beyond is touched.
inline Vec load_partial(const float* p, std::int64_t n) {
  float padded[kLanes] = {};
  std::memcpy(padded, p, static_cast<std::size_t>(n) * sizeof(float));
  return load(padded);
}
inline void store_partial(float* p, Vec v, std::int64_t n) {
  float padded[kLanes];
  store(padded, v);
  std::memcpy(p, padded, static_cast<std::size_t>(n) * sizeof(float));
}

inline Vec set1(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
inline Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Vec add(Vec a, Vec b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline Vec sub(Vec a, Vec b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline Vec mul(Vec a, Vec b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline Vec div(Vec a, Vec b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
// a > b ? a : b and a < b ? a : b, so the second operand where either is NaN.
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline Vec bit_xor(Vec a, Vec b) { return {_mm256_xor_ps(a.lo, b.lo), _mm256_xor_ps(a.hi, b.hi)}; }
inline Vec bit_and(Vec a, Vec b) { return {_mm256_and_ps(a.lo, b.lo), _mm256_and_ps(a.hi, b.hi)}; }
inline Vec bit_or(Vec a, Vec b) { return {_mm256_or_ps(a.lo, b.lo), _mm256_or_ps(a.hi, b.hi)}; }
inline Mask less(Vec a, Vec b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
inline Mask is_nan(Vec a) {
  return {_mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q), _mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q)};
}
inline Vec select(Mask mask, Vec yes, Vec no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, mask.lo), _mm256_blendv_ps(no.hi, yes.hi, mask.hi)};
}
// One bit a lane where a <= b is false: a > b, or either is NaN.
inline unsigned not_less_equal_bits(Vec a, Vec b) {
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_NLE_UQ))) |
         static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_NLE_UQ))) << 8;
}
// Lanes [begin, end) set.
inline Mask lane_range(int begin, int end) {
  const __m256i first = _mm256_set1_epi32(begin - 1), last = _mm256_set1_epi32(end);
  const __m256i low = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                high = _mm256_add_epi32(low, _mm256_set1_epi32(8));
  const auto inside = [&](__m256i lane) {
    return _mm256_castsi256_ps(
        _mm256_and_si256(_mm256_cmpgt_epi32(lane, first), _mm256_cmpgt_epi32(last, lane)));
  };
  return {inside(low), inside(high)};
}

// p * 2^n where t = n + kRoundMagic; NaN stays NaN; +0 where x < least.
inline Vec scale_by_power(Vec p, Vec /*n*/, Vec t, Vec x, Vec least) {
  // n stands in the low bits of t, for those of kRoundMagic are zero, and is added to the exponent's bits.
  const auto half = [](__m256 value, __m256 power) {
    const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(power), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(value), exponent));
  };
  return select(is_nan(x), x, select(less(x, least), zero(), {half(p.lo, t.lo), half(p.hi, t.hi)}));
}

// Holds the compiler to the written order of the sums, which is what makes them fit the registers.
inline void keep_order(Vec& v) { __asm__("" : "+x"(v.lo), "+x"(v.hi)); }

// The trees of numerics.h.
inline float tree_sum(Vec v) {
  const __m256 t8 = _mm256_add_ps(v.lo, v.hi);
  const __m128 t4 = _mm_add_ps(_mm256_castps256_ps128(t8), _mm256_extractf128_ps(t8, 1));
  const __m128 t2 = _mm_add_ps(t4, _mm_movehl_ps(t4, t4));
  return _mm_cvtss_f32(_mm_add_ss(t2, _mm_shuffle_ps(t2, t2, 1)));
}
inline float tree_max(Vec v) {
  const __m256 t8 = _mm256_max_ps(v.lo, v.hi);
  const __m128 t4 = _mm_max_ps(_mm256_castps256_ps128(t8), _mm256_extractf128_ps(t8, 1));
  const __m128 t2 = _mm_max_ps(t4, _mm_movehl_ps(t4, t4));
  return _mm_cvtss_f32(_mm_max_ss(t2, _mm_shuffle_ps(t2, t2, 1)));
}
// Lane r: the largest lane of v[r], r < count.
inline Vec row_maxima(Vec* v, int count) {
  float most[kLanes] = {};
  for (int r = 0; r < count; ++r) most[r] = tree_max(v[r]);
  return load(most);
}

// Tile loads: the 16 weights of one k. For bf16 even k sit in the low and odd k in the high halves of 32-bit
// lanes.
inline Vec load_f16(const std::uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}
inline Vec load_bf16_even(const std::uint16_t* pair) {
  const auto* p = reinterpret_cast<const __m256i*>(pair);
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(p), 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(p + 1), 16))};
}
inline Vec load_bf16_odd(const std::uint16_t* pair) {
  const auto* p = reinterpret_cast<const __m256i*>(pair);
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xFFFF0000U));
  return {_mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(p), high)),
          _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(p + 1), high))};
}
inline Vec load_i8(const std::int8_t* p) {
  const auto half = [](const std::int8_t* from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
  };
  return {half(p), half(p + 8)};
}
// The nearest bf16, ties to even, widened; of NaN a quiet one.
inline Vec round_bf16(Vec v) {
  const Vec quiet = bit_or(v, set1(std::bit_cast<float>(0x400000U)));
  const auto half = [](__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    return _mm256_castsi256_ps(_mm256_and_si256(up, _mm256_set1_epi32(static_cast<int>(0xFFFF0000U))));
  };
  return select(is_nan(v), quiet, {half(v.lo), half(v.hi)});
}
// Both rounded to bf16, the bits of `even` in the low and those of `odd` in the high halves of 32-bit lanes.
inline Vec join_bf16(Vec even, Vec odd) {
  const Vec low = round_bf16(even), high = round_bf16(odd);
  const auto half = [](__m256 a, __m256 b) {
    return _mm256_castsi256_ps(_mm256_or_si256(_mm256_srli_epi32(_mm256_castps_si256(a), 16), _mm256_castps_si256(b)));
  };
  return {half(low.lo, high.lo), half(low.hi, high.hi)};
}

// (a, b) pairs of an interleaved vector: 32 floats at p to 16 a's and 16 b's, and back.
inline void load_pairs(const float* p, Vec* a, Vec* b) {
  const auto split = [](const float* from, __m256* even, __m256* odd) {
    const __m256 x = _mm256_loadu_ps(from), y = _mm256_loadu_ps(from + 8);
    const __m256 low = _mm256_permute2f128_ps(x, y, 0x20), high = _mm256_permute2f128_ps(x, y, 0x31);
    *even = _mm256_shuffle_ps(low, high, 0x88);
    *odd = _mm256_shuffle_ps(low, high, 0xDD);
  };
  split(p, &a->lo, &b->lo);
  split(p + 16, &a->hi, &b->hi);
}
inline void store_pairs(float* p, Vec a, Vec b) {
  const auto join = [](float* to, __m256 even, __m256 odd) {
    const __m256 low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    _mm256_storeu_ps(to, _mm256_permute2f128_ps(low, high, 0x20));
    _mm256_storeu_ps(to + 8, _mm256_permute2f128_ps(low, high, 0x31));
  };
  join(p, a.lo, b.lo);
  join(p + 16, a.hi, b.hi);
}

// to[j][i] = from[i][j] for 16 x 16 floats without gaps.
inline void transpose16(const float* from, float* to) {
  for (int quarter = 0; quarter < 4; ++quarter) {
    const float* a = from + (quarter / 2) * 8 * kLanes + (quarter % 2) * 8;
    float* out = to + (quarter % 2) * 8 * kLanes + (quarter / 2) * 8;
    __m256 rows[8], pairs[8], fours[8];
    MOE_UNROLL
    for (int i = 0; i < 8; ++i) rows[i] = _mm256_loadu_ps(a + i * kLanes);
    MOE_UNROLL
    for (int i = 0; i < 8; i += 2) {
      pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
      pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    MOE_UNROLL
    for (int i = 0; i < 8; i += 4) {
      fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
      fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xEE);
      fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
      fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xEE);
    }
    MOE_UNROLL
    for (int i = 0; i < 4; ++i) {
      _mm256_storeu_ps(out + i * kLanes, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20));
      _mm256_storeu_ps(out + (i + 4) * kLanes, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31));
    }
  }
}

}  // namespace
}  // namespace moe::kernels::avx2
