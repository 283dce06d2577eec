// The table of processors with the tile instructions of AMX_BF16 and AMX_INT8: Sapphire Rapids and later ones.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/simd/prelude.h"

MOE_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512vnni,avx2,fma,f16c")
#define MOE_SIMD amx
#define MOE_AVX512
#define MOE_DPBUSD
#define MOE_AMX
// clang-format off
#include "kernels/simd/vec_avx512-inl.h"
#include "kernels/simd/all-inl.h"
// clang-format on
MOE_TARGET_END

namespace moe::kernels {

constinit const KernelTable kAmxTable = amx::make_table("amx");
constinit const RooflineKernels kAmxRoofline = amx::make_roofline();

}  // namespace moe::kernels

#endif  // __x86_64__
