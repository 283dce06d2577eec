// The AVX2 + FMA + F16C table: the shared sources of this folder compiled over two 8-lane registers.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/simd/prelude.h"

MOE_TARGET_BEGIN("avx2,fma,f16c")
#define MOE_SIMD avx2
// clang-format off
#include "kernels/simd/vec_avx2-inl.h"
#include "kernels/simd/all-inl.h"
// clang-format on
MOE_TARGET_END

namespace moe::kernels {

constinit const KernelTable kAvx2Table = avx2::make_table("avx2");
constinit const RooflineKernels kAvx2Roofline = avx2::make_roofline();

}  // namespace moe::kernels

#endif  // __x86_64__
