// Sixteen floats for AVX-512: one register. Included inside a target region; see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

// The register file in units of Vec; the sums and the rows of x a microkernel may hold.
inline constexpr int kVecs = 32;
// Query rows of a panel of attention, and the sums it may hold beside a few weights and an input.
#if defined(MOE_EMULATED)
// Fewer, for what the emulation of every vector takes to compile.
inline constexpr int kSumVecs = 4, kMicroRows = 3;
inline constexpr int kPanelRows = 3, kPanelSums = 6;
#else
inline constexpr int kSumVecs = 28, kMicroRows = 14;
inline constexpr int kPanelRows = 12, kPanelSums = 24;
#endif

using Vec = __m512;
using Mask = __mmask16;

inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
// Past the caches, to a multiple of 64 bytes. Others see it after _mm_sfence.
inline void stream(float* p, Vec v) { _mm512_stream_ps(p, v); }
// The first n < 16 floats, zeros behind them; nothing beyond is touched.
inline Mask first_lanes(std::int64_t n) { return static_cast<Mask>((1U << n) - 1U); }
inline Vec load_partial(const float* p, std::int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
inline void store_partial(float* p, Vec v, std::int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

inline Vec set1(float value) { return _mm512_set1_ps(value); }
inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
// a > b ? a : b and a < b ? a : b, so the second operand where either is NaN.
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec bit_xor(Vec a, Vec b) { return _mm512_xor_ps(a, b); }
inline Vec bit_and(Vec a, Vec b) { return _mm512_and_ps(a, b); }
inline Vec bit_or(Vec a, Vec b) { return _mm512_or_ps(a, b); }
inline Mask less(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
inline Mask is_nan(Vec a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
inline Vec select(Mask mask, Vec yes, Vec no) { return _mm512_mask_blend_ps(mask, no, yes); }
// One bit a lane where a <= b is false: a > b, or either is NaN.
inline unsigned not_less_equal_bits(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ); }
// Lanes [begin, end) set.
inline Mask lane_range(int begin, int end) {
  const auto below = [](int n) { return (1U << std::clamp(n, 0, kLanes)) - 1U; };
  return static_cast<Mask>(below(end) & ~below(begin));
}

// p * 2^n where t = n + kRoundMagic; NaN stays NaN; +0 where x < least.
inline Vec scale_by_power(Vec p, [[maybe_unused]] Vec n, [[maybe_unused]] Vec t, Vec x, Vec least) {
#if defined(MOE_EMULATED)
  // SIMDe multiplies by 2^n, which overflows where p * 2^n does not.
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
  const Vec y = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), exponent));
  return select(is_nan(x), x, select(less(x, least), zero(), y));
#else
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ), p, n);
#endif
}

// Holds the compiler to the written order of the sums, which is what makes them fit the registers.
inline void keep_order(Vec& v) { MOE_KEEP_ZMM(v); }

// The trees of numerics.h.
inline __m256 low_half(Vec v) { return _mm512_castps512_ps256(v); }
inline __m256 high_half(Vec v) { return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)); }
inline float tree_sum(Vec v) {
  const __m256 t8 = _mm256_add_ps(low_half(v), high_half(v));
  const __m128 t4 = _mm_add_ps(_mm256_castps256_ps128(t8), _mm256_extractf128_ps(t8, 1));
  const __m128 t2 = _mm_add_ps(t4, _mm_movehl_ps(t4, t4));
  return _mm_cvtss_f32(_mm_add_ss(t2, _mm_shuffle_ps(t2, t2, 1)));
}
inline float tree_max(Vec v) {
  const __m256 t8 = _mm256_max_ps(low_half(v), high_half(v));
  const __m128 t4 = _mm_max_ps(_mm256_castps256_ps128(t8), _mm256_extractf128_ps(t8, 1));
  const __m128 t2 = _mm_max_ps(t4, _mm_movehl_ps(t4, t4));
  return _mm_cvtss_f32(_mm_max_ss(t2, _mm_shuffle_ps(t2, t2, 1)));
}
// Quarters of 128 bits in a new order: 0 to 3 are those of x, 4 to 7 those of y.
inline Vec quarters(Vec x, Vec y, int a, int b, int c, int d) {
  const __m512i index =
      _mm512_setr_epi32(4 * a, 4 * a + 1, 4 * a + 2, 4 * a + 3, 4 * b, 4 * b + 1, 4 * b + 2, 4 * b + 3,
                        4 * c, 4 * c + 1, 4 * c + 2, 4 * c + 3, 4 * d, 4 * d + 1, 4 * d + 2, 4 * d + 3);
  return _mm512_permutex2var_ps(x, index, y);
}
// Lane r: the largest lane of v[r], r < count <= 16. Writes v up to a multiple of four.
inline Vec row_maxima(Vec* v, int count) {
  for (int i = count; i % 4 != 0; ++i) v[i] = v[count - 1];
  // Lane 4 q + r: the largest lane of quarter q of v[r].
  const auto four = [](const Vec* rows) {
    const Vec ab = max(_mm512_unpacklo_ps(rows[0], rows[1]), _mm512_unpackhi_ps(rows[0], rows[1]));
    const Vec cd = max(_mm512_unpacklo_ps(rows[2], rows[3]), _mm512_unpackhi_ps(rows[2], rows[3]));
    return max(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));
  };
  const auto far = [](Vec x, Vec y) { return max(quarters(x, y, 0, 1, 4, 5), quarters(x, y, 2, 3, 6, 7)); };
  const auto near = [](Vec x, Vec y) { return max(quarters(x, y, 0, 2, 4, 6), quarters(x, y, 1, 3, 5, 7)); };
  const Vec first = four(v), second = count > 4 ? four(v + 4) : first, third = count > 8 ? four(v + 8) : first,
            fourth = count > 12 ? four(v + 12) : third;
  return near(far(first, second), far(third, fourth));
}

// Tile loads: the 16 weights of one k. For bf16 even k sit in the low and odd k in the high halves of 32-bit
// lanes.
inline Vec load_f16(const std::uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vec load_bf16_even(const std::uint16_t* pair) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(pair), 16));
}
inline Vec load_bf16_odd(const std::uint16_t* pair) {
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(pair), high));
}
inline Vec load_i8(const std::int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
// The nearest bf16, ties to even, widened; of NaN a quiet one.
inline Vec round_bf16(Vec v) {
  const Vec quiet = bit_or(v, set1(std::bit_cast<float>(0x400000U)));
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
  return select(is_nan(v), quiet, _mm512_castsi512_ps(_mm512_and_si512(up, high)));
}
// Both rounded to bf16, the bits of `even` in the low and those of `odd` in the high halves of 32-bit lanes.
inline Vec join_bf16(Vec even, Vec odd) {
  const __m512i low = _mm512_srli_epi32(_mm512_castps_si512(round_bf16(even)), 16);
  return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_castps_si512(round_bf16(odd))));
}

#if defined(MOE_BF16_DOT)
// sum + the products of the bf16 pairs of each 32-bit lane.
inline Vec dot_bf16(Vec sum, __m512i a, __m512i b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
inline __m512i widen_u16(__m256i v) {
#if defined(MOE_EMULATED)
  // SIMDe has no such instruction on whole vectors.
  const __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(v)), high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1));
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
#else
  return _mm512_cvtepu16_epi32(v);
#endif
}
// Stores v rounded to bf16 and returns it, widened again. Denormals become zeros.
inline Vec store_rounded(std::uint16_t* p, Vec v) {
  const auto bits = (__m256i)_mm512_cvtneps_pbh(v);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), bits);
  return _mm512_castsi512_ps(_mm512_slli_epi32(widen_u16(bits), 16));
}
#elif defined(MOE_AMX)
inline Vec store_rounded(std::uint16_t* p, Vec v) {
  const Vec rounded = round_bf16(v);
  const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(rounded), 16);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(bits));
  return rounded;
}
#endif

// (a, b) pairs of an interleaved vector: 32 floats at p to 16 a's and 16 b's, and back.
inline void load_pairs(const float* p, Vec* a, Vec* b) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  const Vec x = load(p), y = load(p + kLanes);
  *a = _mm512_permutex2var_ps(x, even, y);
  *b = _mm512_permutex2var_ps(x, odd, y);
}
inline void store_pairs(float* p, Vec a, Vec b) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  store(p, _mm512_permutex2var_ps(a, low, b));
  store(p + kLanes, _mm512_permutex2var_ps(a, high, b));
}

// to[j][i] = from[i][j] for 16 x 16 floats without gaps.
inline void transpose16(const float* from, float* to) {
  // Within quarters of 128 bits first: fours[4 g + c] holds column 4 q + c of rows 4 g .. 4 g + 3 in quarter
  // q.
  Vec fours[16];
  MOE_UNROLL
  for (int g = 0; g < 16; g += 4) {
    const Vec a = load(from + g * kLanes), b = load(from + (g + 1) * kLanes);
    const Vec c = load(from + (g + 2) * kLanes), d = load(from + (g + 3) * kLanes);
    const Vec ab_low = _mm512_unpacklo_ps(a, b), ab_high = _mm512_unpackhi_ps(a, b);
    const Vec cd_low = _mm512_unpacklo_ps(c, d), cd_high = _mm512_unpackhi_ps(c, d);
    fours[g] = _mm512_shuffle_ps(ab_low, cd_low, 0x44);
    fours[g + 1] = _mm512_shuffle_ps(ab_low, cd_low, 0xEE);
    fours[g + 2] = _mm512_shuffle_ps(ab_high, cd_high, 0x44);
    fours[g + 3] = _mm512_shuffle_ps(ab_high, cd_high, 0xEE);
  }
  // Then the quarters themselves.
  MOE_UNROLL
  for (int c = 0; c < 4; ++c) {
    const Vec low01 = quarters(fours[c], fours[4 + c], 0, 4, 1, 5);
    const Vec low23 = quarters(fours[c], fours[4 + c], 2, 6, 3, 7);
    const Vec high01 = quarters(fours[8 + c], fours[12 + c], 0, 4, 1, 5);
    const Vec high23 = quarters(fours[8 + c], fours[12 + c], 2, 6, 3, 7);
    store(to + c * kLanes, quarters(low01, high01, 0, 1, 4, 5));
    store(to + (4 + c) * kLanes, quarters(low01, high01, 2, 3, 6, 7));
    store(to + (8 + c) * kLanes, quarters(low23, high23, 0, 1, 4, 5));
    store(to + (12 + c) * kLanes, quarters(low23, high23, 2, 3, 6, 7));
  }
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
