// The AVX2 + FMA + F16C table: the shared sources of this folder compiled over two 8-lane registers.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/scalar_math.h"
#include "kernels/scratch.h"
#include "kernels/simd/target.h"
#include "kernels/tables.h"

MOE_TARGET_BEGIN("avx2,fma,f16c")
#define MOE_SIMD avx2
// Each builds on those above.
// clang-format off
#include "kernels/simd/vec_avx2-inl.h"
#include "kernels/simd/math-inl.h"
#include "kernels/simd/vector_ops-inl.h"
#include "kernels/simd/matmul-inl.h"
#include "kernels/simd/attention-inl.h"
#include "kernels/simd/roofline-inl.h"
// clang-format on
MOE_TARGET_END

namespace moe::kernels {

constinit const KernelTable kAvx2Table = {
    .name = "avx2",
    .matmul = avx2::matmul,
    .rmsnorm = avx2::rmsnorm,
    .rope = avx2::rope,
    .silu_mul = avx2::silu_mul,
    .gelu_tanh_mul = avx2::gelu_tanh_mul,
    .clamped_swiglu = avx2::clamped_swiglu,
    .softmax = avx2::softmax,
    .sigmoid = avx2::sigmoid_map,
    .softcap = avx2::softcap,
    .add = avx2::add_map,
    .scale = avx2::scale,
    .scale_add = avx2::scale_add,
    .dot = avx2::dot,
    .log_sum_exp = avx2::log_sum_exp,
    .top_k = avx2::top_k,
    .attention = avx2::attention,
};

constinit const RooflineKernels kAvx2Roofline = {avx2::read_all, avx2::burn, avx2::kFlopsPerBurn};

}  // namespace moe::kernels

#endif  // __x86_64__
