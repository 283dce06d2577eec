// Attention of consecutive rows of one sequence over a paged KV cache, for one key/value head.
//
// The block layouts are private to kernels/: write keys and values with store_key and store_value, treat
// blocks as opaque arrays of floats (copy them whole), and give each (layer, kv head) a block of its own.
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
// Nothing depends on the other rows of the call, so prefill in any chunks, decode and any batch give equal
// bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/numerics.h"

namespace moe::kernels {

// Floats of one block of kKvBlock positions. Keys: two tiles of 16 positions, [2][d_k][16].
constexpr std::int64_t key_block_floats(std::int64_t d_k) noexcept { return d_k * kKvBlock; }
// Values: tiles of 16 components, [ceil(d_v / 16)][32][16], the last one padded.
constexpr std::int64_t value_block_floats(std::int64_t d_v) noexcept {
  return (d_v + kLanes - 1) / kLanes * kLanes * kKvBlock;
}

// Writes the key or value of slot (position mod kKvBlock) into a block.
inline void store_key(float* block, std::int64_t d_k, int slot, const float* key) noexcept {
  float* out = block + (slot / kLanes) * d_k * kLanes + slot % kLanes;
  for (std::int64_t d = 0; d < d_k; ++d) out[d * kLanes] = key[d];
}
inline void store_value(float* block, std::int64_t d_v, int slot, const float* value) noexcept {
  const std::int64_t tiles = (d_v + kLanes - 1) / kLanes;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    float* out = block + (tile * kKvBlock + slot) * kLanes;
    for (int i = 0; i < kLanes; ++i) out[i] = tile * kLanes + i < d_v ? value[tile * kLanes + i] : 0.0F;
  }
}
// Reads them back (a cached position that is rotated anew, tests).
inline void load_key(const float* block, std::int64_t d_k, int slot, float* key) noexcept {
  const float* in = block + (slot / kLanes) * d_k * kLanes + slot % kLanes;
  for (std::int64_t d = 0; d < d_k; ++d) key[d] = in[d * kLanes];
}
inline void load_value(const float* block, std::int64_t d_v, int slot, float* value) noexcept {
  for (std::int64_t d = 0; d < d_v; ++d)
    value[d] = block[(d / kLanes * kKvBlock + slot) * kLanes + d % kLanes];
}

struct AttentionArgs {
  // Queries: row r, head g at q + r * q_row_stride + g * q_head_stride, d_k floats. The same for out with
  // d_v. `out` may not overlap `q`.
  const float* q = nullptr;
  std::ptrdiff_t q_row_stride = 0, q_head_stride = 0;
  float* out = nullptr;
  std::ptrdiff_t out_row_stride = 0, out_head_stride = 0;
  std::int64_t rows = 0;  // consecutive positions: row r stands at first_position + r
  std::int64_t first_position = 0;
  int heads = 1;  // query heads that read this kv head
  int d_k = 0, d_v = 0;
  // Block b holds positions [32 b, 32 b + 32). Blocks no row of the call can see may be null. Slots after the
  // last row's position may hold anything.
  const float* const* key_blocks = nullptr;
  // Null: a value is the first d_v components of its key (latent attention); then d_v <= d_k.
  const float* const* value_blocks = nullptr;
  float scale = 1.0F;
  std::int64_t window = 0;              // 0: all t <= q; else q - window < t <= q
  float softcap = 0.0F;                 // 0: none
  const float* sinks = nullptr;         // per head: a logit that joins the denominator only; null: none
  const float* alibi_slopes = nullptr;  // per head: slope * (t - q) is added to the score; null: none
};

}  // namespace moe::kernels
