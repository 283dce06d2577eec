// The kernels of this folder over the vectors of MOE_SIMD, and the table of them. Included inside a target
// region after a vec_*-inl.h; see target.h.

// Each builds on those above.
// clang-format off
#include "kernels/simd/math-inl.h"
#include "kernels/simd/vector_ops-inl.h"
#include "kernels/simd/matmul-inl.h"
#include "kernels/simd/matmul_f32-inl.h"
#include "kernels/simd/prepare-inl.h"
#include "kernels/simd/kv_store-inl.h"
#include "kernels/simd/attention_panels-inl.h"
#if defined(MOE_AMX)
#include "kernels/simd/tiles-inl.h"
#include "kernels/simd/attention_amx-inl.h"
#endif
#include "kernels/simd/attention-inl.h"
#include "kernels/simd/roofline-inl.h"
#if defined(MOE_AVX512)
#include "kernels/simd/matmul_int8-inl.h"
#else
#include "kernels/simd/matmul_int8_avx2-inl.h"
#endif
#if defined(MOE_BF16_DOT)
#include "kernels/simd/matmul_bf16-inl.h"
#elif defined(MOE_AMX)
#include "kernels/simd/matmul_amx-inl.h"
#include "kernels/simd/matmul_int8_amx-inl.h"
#endif
// clang-format on

namespace moe::kernels::MOE_SIMD {
namespace {

#if defined(MOE_BF16_DOT)
constexpr std::int64_t kBf16InputBytes = 2;
constexpr RooflineKernels::Burn kBurnBf16 = {burn_bf16, std::int64_t{4} * kLanes* kChains};
#elif defined(MOE_AMX)
constexpr std::int64_t kBf16InputBytes = 2;
#else
constexpr std::int64_t kBf16InputBytes = 4;  // rounded floats
constexpr RooflineKernels::Burn kBurnBf16 = kBurnF32;
#endif

// Tiles multiply so fast that reading the weights once less counts for more than what vectors gain in the caches.
#if defined(MOE_AMX)
constexpr std::int64_t kRowsTogether = kMostRowsTogether;
#else
constexpr std::int64_t kRowsTogether = 224;
#endif

#if defined(MOE_BF16_DOT) || defined(MOE_AMX)
const Family& bf16_family(WeightType type) {
  switch (type) {
    case WeightType::q8:
      return kWidenedPairsFamily<WeightType::q8>;
    case WeightType::q4:
      return kWidenedPairsFamily<WeightType::q4>;
    default:
      return kBf16Family;
  }
}
#endif

const Family& family(WeightType type, Compute compute) {
  if (compute == Compute::int8) return int8_family(type);
#if defined(MOE_BF16_DOT) || defined(MOE_AMX)
  if (compute == Compute::bf16) return bf16_family(type);
#endif
  return f32_family(type, compute);
}

void matmul(const PackedMatrix& w, const InputRows& x, const Epilogue& epilogue, float* y, std::ptrdiff_t ldy,
            std::int64_t n_begin, std::int64_t n_end) {
  if (x.rows <= 0 || n_begin >= n_end) return;
  Product(family(w.type(), x.compute), w, x, epilogue, y, ldy).run(n_begin, n_end);
}

constexpr KernelTable make_table(const char* name) {
  return {
      .name = name,
      .bf16_input_bytes = kBf16InputBytes,
      .rows_together = kRowsTogether,
      .prepare = prepare,
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
      .store_keys = store_keys,
      .store_values = store_values,
      .attention = attention,
  };
}

constexpr RooflineKernels make_roofline() { return {read_all, {kBurnF32, kBurnBf16, kBurnInt8}}; }

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
