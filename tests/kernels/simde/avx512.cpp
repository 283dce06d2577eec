// The sources of kernels/simd/avx512.cpp over SIMDe.
#include "tests/kernels/simde/simde.h"
#include "tests/kernels/simde/tables.h"

#define MOE_SIMD simde_avx512
#define MOE_AVX512
// clang-format off
#include "kernels/simd/vec_avx512-inl.h"
#include "kernels/simd/all-inl.h"
// clang-format on

namespace moe::kernels::test {

const KernelTable kSimdeAvx512Table = simde_avx512::make_table("avx512 over SIMDe");

}  // namespace moe::kernels::test
