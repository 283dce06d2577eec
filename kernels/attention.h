// Attention over a paged KV cache, for one or some key/value heads: rows of one or of many sequences in one call.
//
// Definition, for the row at position q and one head (S = the softmax state: m, sums L[16], outputs o[d_v]):
//   start       m = -inf, L = 0, o = 0; with a sink logit z: m = z, L[0] = 1
//   per block   absolute block indices ascending, from that of the first visible key; visible keys t of a
//   block
//               are a range [t0, t1):
//     s[t]      = chain over d ascending of fma(q[d], k[t][d], acc) from +0, then * scale;
//                 with soft cap c: s = c * tanh(s / c); with ALiBi slope a: s = fma(a, float(t - q), s)
//     m'        = max(m, max over visible s[t]);  alpha = exp(m - m');  p[t] = exp(s[t] - m')
//     L[i]      = fma(L[i], alpha, p[i] + p[i + 16]), i = slot of t in the block, invisible p = +0
//     o[d]      = o[d] * alpha, then the chain over visible t ascending of fma(p[t], v[t][d], acc)
//   end         out[d] = o[d] * (1 / tree(L))
// By the type of the cache (kernels/kv_block.h):
//   f32         as written
//   q8          k[t][d] and v[t][d] are the integers; s = chain * k_scale[t] * scale; p[t] * v_scale[t] takes
//   the
//               place of p[t] in the chain of o
//   bf16        q and p are rounded to bf16 (p also where it joins L). Tables with bf16 dot products add them up in pairs
//               (t or d even, odd) in their own way. Tiles (amx) sum over steps of 32 as in kernels/numerics.h, and
//               o = fma(o, alpha, the sum over a block's slots). Equal bits within such a table only.
// Nothing depends on the other rows of the call, so prefill in any chunks, decode and any batch give equal
// bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kv_block.h"

namespace moe::kernels {

// Consecutive positions of one sequence: row r stands at first_position + r.
struct AttentionRun {
  // Queries: row r, head h at q + r * q_row_stride + h * q_head_stride, d_k floats. The same for out with
  // d_v.
  const float* q = nullptr;
  float* out = nullptr;  // overlaps no q of the call
  std::int64_t rows = 0;
  std::int64_t first_position = 0;
  // Block b holds positions [32 b, 32 b + 32). Blocks no row of the run can see may be null. Slots after the
  // last row's position may hold anything.
  const std::byte* const* blocks = nullptr;
};

struct AttentionArgs {
  KvType type = KvType::f32;
  // Neighbours in the list that hold the same block (a prefix they share) go over it together.
  const AttentionRun* runs = nullptr;
  std::int64_t run_count = 0;
  std::ptrdiff_t q_row_stride = 0, q_head_stride = 0;
  std::ptrdiff_t out_row_stride = 0, out_head_stride = 0;
  // Query heads [first_head + j * heads, first_head + (j + 1) * heads) read kv head j of kv_heads. Heads that follow one
  // another in memory are read in one stream by a call of few rows.
  int first_head = 0, heads = 1, kv_heads = 1;
  int d_k = 0, d_v = 0;
  // Where the first head's keys and values begin in a block, and how far the next head's lie from them, in bytes; multiples
  // of 64.
  std::int64_t key_offset = 0, value_offset = 0, kv_head_stride = 0;
  // Latent attention: a value is the first d_v <= d_k components of its key.
  bool values_are_keys = false;
  float scale = 1.0F;
  std::int64_t window = 0;              // 0: all t <= q; else q - window < t <= q
  float softcap = 0.0F;                 // 0: none
  const float* sinks = nullptr;         // by head: a logit that joins the denominator only; null: none
  const float* alibi_slopes = nullptr;  // by head: slope * (t - q) is added to the score; null: none

  // The same for kv head j alone.
  AttentionArgs of_kv_head(int j) const {
    AttentionArgs one = *this;
    one.kv_heads = 1;
    one.first_head += j * heads;
    one.key_offset += j * kv_head_stride;
    one.value_offset += j * kv_head_stride;
    return one;
  }
};

}  // namespace moe::kernels
