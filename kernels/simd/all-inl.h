// The kernels of this folder over the vectors of MOE_SIMD, and the table of them. Included inside a target
// region after a vec_*-inl.h; see target.h.

// Each builds on those above.
// clang-format off
#include "kernels/simd/math-inl.h"
#include "kernels/simd/vector_ops-inl.h"
#include "kernels/simd/matmul-inl.h"
#include "kernels/simd/matmul_f32-inl.h"
#include "kernels/simd/attention_panels-inl.h"
#include "kernels/simd/attention-inl.h"
#include "kernels/simd/roofline-inl.h"
// clang-format on

namespace moe::kernels::MOE_SIMD {
namespace {

void matmul(const PackedMatrix& w, const InputRows& x, const Epilogue& epilogue, float* y, std::ptrdiff_t ldy,
            std::int64_t n_begin, std::int64_t n_end) {
  if (x.rows <= 0 || n_begin >= n_end) return;
  if (x.compute == Compute::int8) return scalar::matmul(w, x, epilogue, y, ldy, n_begin, n_end);
  Product(f32_family(w.type(), x.compute), w, x, epilogue, y, ldy).run(n_begin, n_end);
}

constexpr KernelTable make_table(const char* name) {
  return {
      .name = name,
      .bf16_input_bytes = 4,
      .prepare = scalar::prepare,
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

constexpr RooflineKernels make_roofline() { return {read_all, {kBurnF32, kBurnF32, kBurnF32}}; }

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
