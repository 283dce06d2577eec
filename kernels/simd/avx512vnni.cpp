// The table of processors whose AVX-512 has dot products of INT8 (VPDPBUSD) and none of BF16, or slow ones: Ice Lake and
// the Intel processors after it.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/simd/prelude.h"

MOE_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512vnni,avx2,fma,f16c")
#define MOE_SIMD avx512vnni
#define MOE_AVX512
#define MOE_DPBUSD
// clang-format off
#include "kernels/simd/vec_avx512-inl.h"
#include "kernels/simd/all-inl.h"
// clang-format on
MOE_TARGET_END

namespace moe::kernels {

constinit const KernelTable kAvx512VnniTable = avx512vnni::make_table("avx512vnni");
constinit const RooflineKernels kAvx512VnniRoofline = avx512vnni::make_roofline();

}  // namespace moe::kernels

#endif  // __x86_64__
