// The sources of kernels/simd/amx.cpp over SIMDe, the tiles in plain C++.
#include "tests/kernels/simde/simde.h"
#include "tests/kernels/simde/tables.h"

#define MOE_SIMD simde_amx
#define MOE_AVX512
#define MOE_DPBUSD
#define MOE_AMX
// clang-format off
#include "kernels/simd/vec_avx512-inl.h"
#include "kernels/simd/all-inl.h"
// clang-format on

namespace moe::kernels::test {

const KernelTable kSimdeAmxTable = simde_amx::make_table("amx over SIMDe");

}  // namespace moe::kernels::test
