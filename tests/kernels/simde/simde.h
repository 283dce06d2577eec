// AVX-512 in terms of AVX2: SIMDe under the names of the intrinsics, and what Debian's SIMDe (0.7) lacks.
//
// Included in place of <immintrin.h>; the sources of kernels/simd/ are then compiled as they are, so that
// their AVX-512 forms are tested on processors that have none. SIMDe's multiply-adds are fused where AVX2 and
// FMA are compiled for, which these files therefore are.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>

#include <cstring>

#include "kernels/scalar_math.h"

namespace moe::kernels::test {

inline __m512 join(__m256 low, __m256 high) {
  simde__m512_private r;
  r.m256[0] = low;
  r.m256[1] = high;
  return simde__m512_from_private(r);
}

inline __m512 cvtph_ps(__m256i half) {
  return join(_mm256_cvtph_ps(_mm256_castsi256_si128(half)),
              _mm256_cvtph_ps(_mm256_extracti128_si256(half, 1)));
}

inline __m512i madd_epi16(__m512i a, __m512i b) {
  simde__m512i_private x = simde__m512i_to_private(a);
  const simde__m512i_private y = simde__m512i_to_private(b);
  for (int half = 0; half < 2; ++half) x.m256i[half] = _mm256_madd_epi16(x.m256i[half], y.m256i[half]);
  return simde__m512i_from_private(x);
}

inline __m512 maskz_loadu_ps(__mmask16 mask, const float* p) {
  float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = (mask >> i & 1) != 0 ? p[i] : 0.0F;
  return _mm512_loadu_ps(lanes);
}
inline void mask_storeu_ps(float* p, __mmask16 mask, __m512 v) {
  float lanes[16];
  _mm512_storeu_ps(lanes, v);
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) p[i] = lanes[i];
  }
}

inline __m512i cvtepi8_epi32(__m128i v) {
  simde__m512i_private r;
  r.m256i[0] = _mm256_cvtepi8_epi32(v);
  r.m256i[1] = _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8));
  return simde__m512i_from_private(r);
}
inline __m512 cvtepi32_ps(__m512i v) {
  const simde__m512i_private a = simde__m512i_to_private(v);
  return join(_mm256_cvtepi32_ps(a.m256i[0]), _mm256_cvtepi32_ps(a.m256i[1]));
}
inline __m256i cvtepi32_epi16(__m512i v) {
  std::uint32_t lanes[16];
  std::uint16_t halves[16];
  _mm512_storeu_si512(lanes, v);
  for (int i = 0; i < 16; ++i) halves[i] = static_cast<std::uint16_t>(lanes[i]);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves));
}
// To nearest even, as the instruction does but for denormals, which it takes for zeros.
inline __m256bh cvtneps_pbh(__m512 v) {
  float lanes[16];
  std::uint16_t halves[16];
  _mm512_storeu_ps(lanes, v);
  for (int i = 0; i < 16; ++i) {
    halves[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(round_bf16(lanes[i])) >> 16);
  }
  __m256bh r;
  std::memcpy(&r, halves, sizeof r);
  return r;
}
// SIMDe adds both products before the sum. The instruction adds the odd one, then the even one, each fused.
inline __m512 dpbf16_ps(__m512 sum, __m512i a, __m512i b) {
  float lanes[16];
  std::uint16_t x[32], y[32];
  _mm512_storeu_ps(lanes, sum);
  _mm512_storeu_si512(x, a);
  _mm512_storeu_si512(y, b);
  for (int i = 0; i < 16; ++i) {
    for (const int of : {2 * i + 1, 2 * i})
      lanes[i] = std::fma(widen_bf16(x[of]), widen_bf16(y[of]), lanes[i]);
  }
  return _mm512_loadu_ps(lanes);
}

}  // namespace moe::kernels::test

#undef _mm512_cvtepi8_epi32
#define _mm512_cvtepi8_epi32(v) moe::kernels::test::cvtepi8_epi32(v)
#undef _mm512_cvtepi32_epi16
#define _mm512_cvtepi32_epi16(v) moe::kernels::test::cvtepi32_epi16(v)
#undef _mm512_cvtneps_pbh
#define _mm512_cvtneps_pbh(v) moe::kernels::test::cvtneps_pbh(v)
#undef _mm512_dpbf16_ps
#define _mm512_dpbf16_ps(sum, a, b) moe::kernels::test::dpbf16_ps(sum, (__m512i)(a), (__m512i)(b))
#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps(half) moe::kernels::test::cvtph_ps(half)
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps(v) moe::kernels::test::cvtepi32_ps(v)
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) moe::kernels::test::madd_epi16(a, b)
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps(mask, p) moe::kernels::test::maskz_loadu_ps(mask, p)
#undef _mm512_stream_ps
#define _mm512_stream_ps(p, v) _mm512_storeu_ps(p, v)
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps(p, mask, v) moe::kernels::test::mask_storeu_ps(p, mask, v)

#include "kernels/simd/prelude.h"

// Loops stay loops: unrolled, the emulation takes minutes to compile.
#define MOE_EMULATED
#undef MOE_UNROLL
#define MOE_UNROLL

// No processor register to pass through.
#undef MOE_KEEP_ZMM
#define MOE_KEEP_ZMM(v) static_cast<void>(v)
