// One table of kernels per instruction set, chosen once; callers split the outputs over threads.
//
// Every function is single-threaded, noexcept unless it says otherwise, safe to call from several threads on
// disjoint outputs, and free of allocation but for a thread-local scratch that grows to its final size.
// Counts are trusted: negative sizes or null pointers are a caller's bug. Pointers need only the alignment of
// float. Inputs and outputs may be the same array where "in place" is said. kernels/numerics.h defines the
// order of every sum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "kernels/attention.h"
#include "kernels/epilogue.h"
#include "kernels/packed_input.h"
#include "kernels/packed_matrix.h"

namespace moe::kernels {

// Pairs that rotate together: (j, j + half), or (2j, 2j + 1).
enum class RopeLayout : std::uint8_t { half_split, interleaved };

// What no table's rows_together exceeds.
inline constexpr std::int64_t kMostRowsTogether = 256;

struct KernelTable {
  const char* name;

  // Bytes of an input of a bf16 product: 2, or 4 where the table has no bf16 products of its own and keeps the
  // rounded numbers as floats.
  std::int64_t bf16_input_bytes;
  // Rows of a prompt that a layer's products best take together: more share what is read of the weights, fewer leave the numbers
  // between two products in the caches. A multiple of 32, kMostRowsTogether at most.
  std::int64_t rows_together;
  // Fills rows [row_begin, row_end) of a bound input.
  void (*prepare)(const PackedInput& input, std::int64_t row_begin, std::int64_t row_end);
  // y[r * ldy + n] = epilogue(sum over k of w[n, k] * x[r, k]) for all rows of x, n in [n_begin, n_end),
  // which lie at multiples of row_granularity() (n_end may be w.outputs()). The input was prepared by this
  // table for product_compute(w.type(), wanted). y overlaps nothing but the epilogue's residual.
  void (*matmul)(const PackedMatrix& w, const InputRows& x, const Epilogue& epilogue, float* y,
                 std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end);

  // y = x / sqrt(mean(x^2) + eps) * w, where w is weight, 1 + weight (add_one), or absent (null). In place
  // allowed.
  void (*rmsnorm)(const float* x, const float* weight, bool add_one, float eps, std::int64_t n, float* y);

  // Rotates in place `half` pairs of each of `heads` vectors at x + h * head_stride by cos[half], sin[half]:
  // (a, b) -> (a cos - b sin, b cos + a sin), products rounded before the sum. half_split pairs (j, j +
  // pair_offset); pair_offset is ignored for interleaved. Components outside the pairs stay.
  void (*rope)(float* x, int heads, std::ptrdiff_t head_stride, const float* cos, const float* sin, int half,
               int pair_offset, RopeLayout layout);

  // out = act(gate) * up, in place allowed. silu(g) = g / (1 + exp(-g)); gelu_tanh as in numerics.h.
  void (*silu_mul)(const float* gate, const float* up, std::int64_t n, float* out);
  void (*gelu_tanh_mul)(const float* gate, const float* up, std::int64_t n, float* out);
  // gpt-oss: g = min(gate, limit), u = clamp(up, -limit, limit); out = (u + 1) * g / (1 + exp(-alpha g)).
  void (*clamped_swiglu)(const float* gate, const float* up, float alpha, float limit, std::int64_t n,
                         float* out);

  void (*softmax)(float* x, std::int64_t n);                  // in place, n >= 1
  void (*sigmoid)(const float* x, std::int64_t n, float* y);  // in place allowed
  void (*softcap)(const float* x, float cap, std::int64_t n,
                  float* y);  // cap * tanh(x / cap), in place allowed
  void (*add)(const float* a, const float* b, std::int64_t n, float* y);  // a + b, in place allowed
  void (*scale)(const float* x, float factor, std::int64_t n, float* y);  // factor * x, in place allowed
  // y[i] = fma(factor, x[i], y[i]): experts are combined by the caller in ascending order of selection rank.
  void (*scale_add)(const float* x, float factor, std::int64_t n, float* y);
  float (*dot)(const float* a, const float* b, std::int64_t n);
  // Log of the sum of exponentials: blocks of 1024 reduced in f32, added in double. -inf for n = 0.
  double (*log_sum_exp)(const float* x, std::int64_t n);

  // The k largest in descending order, ties to the lower index; NaN counts as smaller than everything.
  // values[k], indices[k]; 0 <= k <= n.
  void (*top_k)(const float* x, std::int64_t n, int k, float* values, std::int32_t* indices);

  // Writes the keys or values of `count` neighbouring slots of one block from `slot` on, `stride` floats from one to the next:
  // the bytes of store_key and store_value (kernels/kv_block.h).
  void (*store_keys)(KvType type, std::byte* block, std::int64_t d_k, int slot, int count, const float* keys,
                     std::ptrdiff_t stride);
  void (*store_values)(KvType type, std::byte* block, std::int64_t d_v, int slot, int count, const float* values,
                       std::ptrdiff_t stride);

  void (*attention)(const AttentionArgs& args);
};

// What attention over a cache of `type` multiplies in: bf16 where both have it. (Values that are keys are floats by then.)
inline Compute attention_compute(const KernelTable& table, KvType type) {
  return type == KvType::bf16 && table.bf16_input_bytes == 2 ? Compute::bf16 : Compute::f32;
}

// A forced table is unknown here or needs what this processor lacks.
class UnsupportedKernels : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// The table to use, picked by CPUID; `forced` (if not empty) names one instead. Throws UnsupportedKernels,
// saying which names exist or which instructions are missing.
const KernelTable& select_kernels(std::string_view forced);
// The same with the environment variable MOE_KERNELS as the forced name.
const KernelTable& select_kernels();

// Names of all tables of this build, and of those this processor can run; best last. Not chosen by
// themselves: comparators, and avx512bf16 where its dot products are slow (Intel).
std::vector<std::string_view> kernel_names();
std::vector<std::string_view> supported_kernel_names();

}  // namespace moe::kernels
