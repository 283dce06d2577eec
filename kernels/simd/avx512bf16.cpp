// The table of processors whose AVX-512 has dot products of BF16 and INT8 (VDPBF16PS, VPDPBUSD): Zen 4,
// Sapphire Rapids and later ones.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/simd/prelude.h"

MOE_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512bf16,avx512vnni,avx2,fma,f16c")
#define MOE_BF16_DOT 1
#define MOE_SIMD avx512bf16
#define MOE_AVX512
#define MOE_DPBUSD
// clang-format off
#include "kernels/simd/vec_avx512-inl.h"
#include "kernels/simd/all-inl.h"
// clang-format on
MOE_TARGET_END

namespace moe::kernels {

constinit const KernelTable kAvx512Bf16Table = avx512bf16::make_table("avx512bf16");
constinit const RooflineKernels kAvx512Bf16Roofline = avx512bf16::make_roofline();

}  // namespace moe::kernels

#endif  // __x86_64__
