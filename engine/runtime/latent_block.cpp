// Multi-head latent attention (DeepSeek) in its absorbed form: the cache holds the normed latent and one rotated key
// for all heads; each head's up-projections are spent on its query and on its output. The same form serves prefill
// and decode, so that both give the same bits.
#include <algorithm>

#include "engine/runtime/forward_pass.h"

namespace moe {

void Executor::Pass::latent_attention(std::int32_t index) {
  const AttentionSpec& a = spec_.layers[index].attention;
  const AttentionWeights& w = model_.layers[index].attention;
  const KvLayout::Place& place = kv_layout_.place(index);
  const std::int64_t q_width = std::int64_t{a.heads} * a.key_dim;  // per head: nope | rope
  const std::int64_t first = a.q_rank > 0 ? a.q_rank : q_width;    // where the compressed keys and values begin
  const Rows in = spread(in_, rows_, w.in.rows());

  Rows q = in;
  if (a.q_rank > 0) {
    ops_.for_rows(rows_, [&](std::int64_t r) { ops_.norm(a.latent_norm, w.q_a_norm, in[r], a.q_rank, in[r]); });
    q = spread(gate_up_, rows_, q_width);
    ops_.matmul(w.q_b, in.data, in.stride, rows_, q.data, q.stride);
    tally_norm(a.latent_norm, a.q_rank);
    tally_matrix(Component::attn_proj, w.q_b);
  }

  // Per head: latent query | rotated part, in the cache's own coordinates.
  const std::int64_t head_dim = place.key_dim;  // kv_rank + rope_dim
  const Rows latent_q = spread(latent_, rows_, a.heads * head_dim);
  ops_.for_rows(std::ssize(stretches_), [&](std::int64_t i) {
    const Stretch& stretch = stretches_[i];
    for (std::int64_t r = stretch.first_row; r < stretch.first_row + stretch.rows; ++r) {
      float* kv = in[r] + first;
      ops_.norm(a.latent_norm, w.kv_a_norm, kv, a.kv_rank, kv);
      rotate(a, r, kv + a.kv_rank, 1, a.rope_dim);
      rotate(a, r, q[r] + a.nope_dim, a.heads, a.key_dim);
      for (std::int32_t h = 0; h < a.heads; ++h) {
        const float* part = q[r] + std::int64_t{h} * a.key_dim + a.nope_dim;
        std::copy_n(part, a.rope_dim, latent_q[r] + h * head_dim + a.kv_rank);
      }
    }
    stretch.cache->store_keys(ops_.table(), place, stretch.first_position, stretch.rows, 0, in[stretch.first_row] + first,
                              in.stride);
  });
  lap(Component::elementwise);
  ops_.for_tasks(a.heads, [&](std::int64_t h, int) {
    ops_.matmul_here(w.key_up[h], q.data + h * a.key_dim, q.stride, rows_, latent_q.data + h * head_dim, latent_q.stride);
  });
  lap(Component::attn_proj);

  const Rows mixed = spread(hidden_, rows_, std::int64_t{a.heads} * a.kv_rank);
  attend(index, latent_q, mixed);
  const Rows out = spread(mixed_, rows_, std::int64_t{a.heads} * a.value_dim);
  ops_.for_tasks(a.heads, [&](std::int64_t h, int) {
    ops_.matmul_here(w.value_up[h], mixed.data + h * a.kv_rank, mixed.stride, rows_, out.data + h * a.value_dim, out.stride);
  });

  for (std::int32_t h = 0; h < a.heads; ++h) {
    tally_matrix(Component::attn_proj, w.key_up[h]);
    tally_matrix(Component::attn_proj, w.value_up[h]);
  }
  tally_norm(a.latent_norm, a.kv_rank);
  tally(Component::attn_proj, 0, (a.q_a_bias ? std::uint64_t(a.q_rank) : 0) + (a.kv_a_bias ? std::uint64_t(a.kv_rank + a.rope_dim) : 0));
}

}  // namespace moe
