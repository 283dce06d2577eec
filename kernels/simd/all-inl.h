// The kernels of this folder over the vectors of MOE_SIMD, and the table of them. Included inside a target
// region after a vec_*-inl.h; see target.h.

// Each builds on those above.
// clang-format off
#include "kernels/simd/math-inl.h"
#include "kernels/simd/vector_ops-inl.h"
#include "kernels/simd/matmul-inl.h"
#include "kernels/simd/attention-inl.h"
#include "kernels/simd/roofline-inl.h"
// clang-format on

namespace moe::kernels::MOE_SIMD {
namespace {

constexpr KernelTable make_table(const char* name) {
  return {
      .name = name,
      .matmul = matmul,
      .rmsnorm = rmsnorm,
      .rope = rope,
      .silu_mul = silu_mul,
      .gelu_tanh_mul = gelu_tanh_mul,
      .clamped_swiglu = clamped_swiglu,
      .softmax = softmax,
      .sigmoid = sigmoid_map,
      .softcap = softcap,
      .add = add_map,
      .scale = scale,
      .scale_add = scale_add,
      .dot = dot,
      .log_sum_exp = log_sum_exp,
      .top_k = top_k,
      .attention = attention,
  };
}

constexpr RooflineKernels make_roofline() { return {read_all, burn, kFlopsPerBurn}; }

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
