// The reference attention: one row and one head at a time, as kernels/attention.h defines it.
#include <algorithm>
#include <cmath>

#include "kernels/scalar.h"
#include "kernels/scalar_math.h"
#include "kernels/scratch.h"

namespace moe::kernels::scalar {
namespace {

// Buffers of one call: a vector of the cache, the rounded query, the outputs.
struct Room {
  float* vector;
  float* q;
  float* o;
};

// The value at a slot, its first components for latent attention; returns its scale.
float load_mixed(const AttentionArgs& args, const std::byte* block, int slot, float* value) noexcept {
  return args.values_are_keys ? load_key(args.type, block + args.key_offset, args.d_k, slot, value)
                              : load_value(args.type, block + args.value_offset, args.d_v, slot, value);
}

float score(const AttentionArgs& args, const AttentionRun& run, const Room& room, int head,
            std::int64_t position, std::int64_t t) noexcept {
  const float key_scale = load_key(args.type, run.blocks[t / kKvBlock] + args.key_offset, args.d_k,
                                   static_cast<int>(t % kKvBlock), room.vector);
  float s = 0.0F;
  for (int d = 0; d < args.d_k; ++d) s = std::fma(room.q[d], room.vector[d], s);
  if (args.type == KvType::q8) s *= key_scale;
  s *= args.scale;
  if (args.softcap > 0.0F) s = args.softcap * tanh_f32(s / args.softcap);
  if (args.alibi_slopes != nullptr)
    s = std::fma(args.alibi_slopes[head], static_cast<float>(t - position), s);
  return s;
}

void attend(const AttentionArgs& args, const AttentionRun& run, std::int64_t row, int head,
            const Room& room) noexcept {
  const float* q = run.q + row * args.q_row_stride + head * args.q_head_stride;
  const bool rounds = args.type == KvType::bf16;
  for (int d = 0; d < args.d_k; ++d) room.q[d] = rounds ? round_bf16(q[d]) : q[d];
  const std::int64_t position = run.first_position + row;
  const std::int64_t first = args.window > 0 ? std::max<std::int64_t>(0, position - args.window + 1) : 0;
  float m = -std::numeric_limits<float>::infinity();
  float sums[kLanes] = {};
  if (args.sinks != nullptr) {
    m = args.sinks[head];
    sums[0] = 1.0F;
  }
  float* o = room.o;
  std::fill_n(o, args.d_v, 0.0F);
  for (std::int64_t block = first / kKvBlock; block <= position / kKvBlock; ++block) {
    const std::int64_t base = block * kKvBlock;
    const std::int64_t t0 = std::max(first, base), t1 = std::min(position + 1, base + kKvBlock);
    float p[kKvBlock] = {};
    float lane_max[kLanes];
    std::fill_n(lane_max, kLanes, -std::numeric_limits<float>::infinity());
    for (std::int64_t t = t0; t < t1; ++t) {
      p[t - base] = score(args, run, room, head, position, t);
      lane_max[t % kLanes] = max_f32(lane_max[t % kLanes], p[t - base]);
    }
    const float m_new = max_f32(m, tree_max(lane_max));
    const float alpha = exp_f32(m - m_new);
    for (std::int64_t t = t0; t < t1; ++t) {
      p[t - base] = exp_f32(p[t - base] - m_new);
      if (rounds) p[t - base] = round_bf16(p[t - base]);
    }
    for (int i = 0; i < kLanes; ++i) sums[i] = std::fma(sums[i], alpha, p[i] + p[i + kLanes]);
    for (int d = 0; d < args.d_v; ++d) o[d] *= alpha;
    for (std::int64_t t = t0; t < t1; ++t) {
      const float value_scale = load_mixed(args, run.blocks[block], static_cast<int>(t - base), room.vector);
      const float weight = args.type == KvType::q8 ? p[t - base] * value_scale : p[t - base];
      for (int d = 0; d < args.d_v; ++d) o[d] = std::fma(weight, room.vector[d], o[d]);
    }
    m = m_new;
  }
  const float inverse = 1.0F / tree_sum(sums);
  float* out = run.out + row * args.out_row_stride + head * args.out_head_stride;
  for (int d = 0; d < args.d_v; ++d) out[d] = o[d] * inverse;
}

}  // namespace

void attention(const AttentionArgs& args) {
  thread_local Scratch scratch;
  Room room;
  room.vector = scratch.floats(2 * args.d_k + args.d_v + std::max(args.d_k, args.d_v));
  room.q = room.vector + std::max(args.d_k, args.d_v);
  room.o = room.q + args.d_k;
  for (int j = 0; j < args.kv_heads; ++j) {
    const AttentionArgs one = args.of_kv_head(j);
    for (std::int64_t r = 0; r < one.run_count; ++r) {
      for (std::int64_t row = 0; row < one.runs[r].rows; ++row) {
        for (int head = one.first_head; head < one.first_head + one.heads; ++head) {
          attend(one, one.runs[r], row, head, room);
        }
      }
    }
  }
}

}  // namespace moe::kernels::scalar
