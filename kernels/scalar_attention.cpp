// The reference attention: one row and one head at a time, as kernels/attention.h defines it.
#include <algorithm>
#include <cmath>

#include "kernels/scalar.h"
#include "kernels/scalar_math.h"
#include "kernels/scratch.h"

namespace moe::kernels::scalar {
namespace {

float score(const AttentionArgs& args, const float* q, int head, std::int64_t position,
            std::int64_t t) noexcept {
  const int slot = static_cast<int>(t % kKvBlock);
  const float* key =
      args.key_blocks[t / kKvBlock] + std::int64_t{slot / kLanes} * args.d_k * kLanes + slot % kLanes;
  float s = 0.0F;
  for (int d = 0; d < args.d_k; ++d) s = std::fma(q[d], key[std::int64_t{d} * kLanes], s);
  s *= args.scale;
  if (args.softcap > 0.0F) s = args.softcap * tanh_f32(s / args.softcap);
  if (args.alibi_slopes != nullptr)
    s = std::fma(args.alibi_slopes[head], static_cast<float>(t - position), s);
  return s;
}

float value(const AttentionArgs& args, std::int64_t t, int d) noexcept {
  const int slot = static_cast<int>(t % kKvBlock);
  if (args.value_blocks == nullptr) {
    const float* key = args.key_blocks[t / kKvBlock];
    return key[(std::int64_t{slot / kLanes} * args.d_k + d) * kLanes + slot % kLanes];
  }
  return args.value_blocks[t / kKvBlock][(std::int64_t{d / kLanes} * kKvBlock + slot) * kLanes + d % kLanes];
}

void attend(const AttentionArgs& args, std::int64_t row, int head, float* o) noexcept {
  const float* q = args.q + row * args.q_row_stride + head * args.q_head_stride;
  const std::int64_t position = args.first_position + row;
  const std::int64_t first = args.window > 0 ? std::max<std::int64_t>(0, position - args.window + 1) : 0;
  float m = -std::numeric_limits<float>::infinity();
  float sums[kLanes] = {};
  if (args.sinks != nullptr) {
    m = args.sinks[head];
    sums[0] = 1.0F;
  }
  std::fill_n(o, args.d_v, 0.0F);
  for (std::int64_t block = first / kKvBlock; block <= position / kKvBlock; ++block) {
    const std::int64_t base = block * kKvBlock;
    const std::int64_t t0 = std::max(first, base), t1 = std::min(position + 1, base + kKvBlock);
    float p[kKvBlock] = {};
    float lane_max[kLanes];
    std::fill_n(lane_max, kLanes, -std::numeric_limits<float>::infinity());
    for (std::int64_t t = t0; t < t1; ++t) {
      p[t - base] = score(args, q, head, position, t);
      lane_max[t % kLanes] = max_f32(lane_max[t % kLanes], p[t - base]);
    }
    const float m_new = max_f32(m, tree_max(lane_max));
    const float alpha = exp_f32(m - m_new);
    for (std::int64_t t = t0; t < t1; ++t) p[t - base] = exp_f32(p[t - base] - m_new);
    for (int i = 0; i < kLanes; ++i) sums[i] = std::fma(sums[i], alpha, p[i] + p[i + kLanes]);
    for (int d = 0; d < args.d_v; ++d) {
      float sum = o[d] * alpha;
      for (std::int64_t t = t0; t < t1; ++t) sum = std::fma(p[t - base], value(args, t, d), sum);
      o[d] = sum;
    }
    m = m_new;
  }
  const float inverse = 1.0F / tree_sum(sums);
  float* out = args.out + row * args.out_row_stride + head * args.out_head_stride;
  for (int d = 0; d < args.d_v; ++d) out[d] = o[d] * inverse;
}

}  // namespace

void attention(const AttentionArgs& args) {
  thread_local Scratch scratch;
  float* o = scratch.floats(args.d_v);
  for (std::int64_t row = 0; row < args.rows; ++row) {
    for (int head = 0; head < args.heads; ++head) attend(args, row, head, o);
  }
}

}  // namespace moe::kernels::scalar
