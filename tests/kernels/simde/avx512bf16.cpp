// The sources of kernels/simd/avx512bf16.cpp over SIMDe.
#include "tests/kernels/simde/simde.h"
#include "tests/kernels/simde/tables.h"

#define MOE_BF16_DOT 1
#define MOE_SIMD simde_avx512bf16
#define MOE_AVX512
#define MOE_DPBUSD
// clang-format off
#include "kernels/simd/vec_avx512-inl.h"
#include "kernels/simd/all-inl.h"
// clang-format on

namespace moe::kernels::test {

const KernelTable kSimdeAvx512Bf16Table = simde_avx512bf16::make_table("avx512bf16 over SIMDe");

}  // namespace moe::kernels::test
