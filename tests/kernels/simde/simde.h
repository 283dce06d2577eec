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

}  // namespace moe::kernels::test

#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps(half) moe::kernels::test::cvtph_ps(half)
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps(mask, p) moe::kernels::test::maskz_loadu_ps(mask, p)
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps(p, mask, v) moe::kernels::test::mask_storeu_ps(p, mask, v)

#include "kernels/simd/prelude.h"

// No processor register to pass through.
#undef MOE_KEEP_ZMM
#define MOE_KEEP_ZMM(v) static_cast<void>(v)
