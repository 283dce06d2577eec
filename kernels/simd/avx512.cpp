// The AVX-512 (F, BW, VL, DQ, CD) table: the shared sources of this folder compiled over one 16-lane
// register.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/simd/prelude.h"

MOE_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx2,fma,f16c")
#define MOE_SIMD avx512
#define MOE_AVX512
// clang-format off
#include "kernels/simd/vec_avx512-inl.h"
#include "kernels/simd/all-inl.h"
// clang-format on
MOE_TARGET_END

namespace moe::kernels {

constinit const KernelTable kAvx512Table = avx512::make_table("avx512");
constinit const RooflineKernels kAvx512Roofline = avx512::make_roofline();

}  // namespace moe::kernels

#endif  // __x86_64__
