// Attention with grouped queries: projections, norms, rotation, cache, scores.
#include <algorithm>
#include <cstring>

#include "engine/runtime/forward_pass.h"

namespace moe {
namespace {

// Query rows of one task: enough to read each key once for many rows, few enough to balance threads.
constexpr std::int64_t kRowsPerTask = 64;

// Sum over rows at first..first+rows-1 of the keys each one sees.
std::uint64_t visible_pairs(std::int64_t first, std::int64_t rows, std::int64_t window) {
  std::uint64_t pairs = 0;
  for (std::int64_t p = first; p < first + rows; ++p) pairs += std::uint64_t(window > 0 ? std::min(p + 1, window) : p + 1);
  return pairs;
}

}  // namespace

void Executor::Pass::attention(std::int32_t index) {
  const LayerSpec& layer = spec_.layers[index];
  const LayerWeights& w = model_.layers[index];
  project(layer, w);
  if (layer.attention.kind == AttentionSpec::Kind::latent) {
    latent_attention(index);
  } else {
    grouped_attention(index);
  }
  const AttentionSpec& a = layer.attention;
  float* branch = branch_.get(rows_ * spec_.hidden);
  const std::int64_t mixed = std::int64_t{a.heads} * a.value_dim;
  ops_.matmul(w.attention.out, mixed_.get(0), mixed, rows_, branch, spec_.hidden, with_bias(w.attention.out_bias));
  tally_matrix(Component::attn_proj, w.attention.out, a.o_bias);
  count_attention(index);
  residual(layer.post_attention_norm, w.post_attention_norm, branch);
}

// in = W_in norm(x): [rows, q | k | v] or the latent counterparts.
void Executor::Pass::project(const LayerSpec& layer, const LayerWeights& w) {
  const std::int64_t hidden = spec_.hidden;
  float* normed = norm_.get(rows_ * hidden);
  const float* x = x_.get(0);
  ops_.for_rows(rows_, [&](std::int64_t r) { ops_.norm(layer.input_norm, w.input_norm, x + r * hidden, hidden, normed + r * hidden); });
  tally_norm(layer.input_norm, hidden);
  const std::int64_t width = w.attention.in.rows();
  ops_.matmul(w.attention.in, normed, hidden, rows_, in_.get(rows_ * width), width, with_bias(w.attention.in_bias));
  tally_matrix(Component::attn_proj, w.attention.in);
}

void Executor::Pass::rotate(const AttentionSpec& a, std::int64_t row, float* x, std::int32_t heads,
                            std::int64_t stride) const {
  if (a.rope < 0) return;
  const RopeSpec& rope = spec_.ropes[a.rope];
  const std::int32_t pairs = rope.pairs();
  const Angles& table = angles_[a.rope];
  ops_.table().rope(x, heads, stride, table.cos.at(row * pairs), table.sin.at(row * pairs), pairs, pairs,
                    rope.interleaved ? kernels::RopeLayout::interleaved : kernels::RopeLayout::half_split);
}

// One row between projection and scores: norms, clamp, rotation; its key and value go to the cache.
void Executor::Pass::finish_row(const AttentionSpec& a, const AttentionWeights& w, const KvLayout::Place& place,
                                const Span& span, std::int64_t row, float* in) {
  const auto norm_heads = [&](const NormSpec& spec, const Vector& weight, float* x, std::int32_t heads, std::int32_t dim,
                              bool whole) {
    const std::int32_t parts = whole ? 1 : heads, size = whole ? heads * dim : dim;
    for (std::int32_t i = 0; i < parts; ++i) ops_.norm(spec, weight, x + i * size, size, x + i * size);
  };
  const auto clamp = [&](float* x, std::int64_t n) {
    for (std::int64_t i = 0; a.clip_qkv > 0 && i < n; ++i) x[i] = std::clamp(x[i], -a.clip_qkv, a.clip_qkv);
  };
  const bool normed = a.qk_norm != AttentionSpec::NormScope::none;
  const bool whole = a.qk_norm == AttentionSpec::NormScope::projection;
  float* q = in;
  if (normed) norm_heads(a.q_norm, w.q_norm, q, a.heads, a.key_dim, whole);
  clamp(q, std::int64_t{a.heads} * a.key_dim);
  rotate(a, row, q, a.heads, a.key_dim);
  if (!a.owns_cache()) return;

  float* k = q + std::int64_t{a.heads} * a.key_dim;
  const KvCache& cache = span.feed->sequence->cache();
  const auto position = std::int32_t(span.first_position + row - span.first_row);
  // Values first: where they are the raw keys, the keys' norm must not have touched them yet.
  float* v = a.value_is_key ? k : k + std::int64_t{a.kv_heads} * a.key_dim;
  for (std::int32_t h = 0; h < a.kv_heads; ++h) {
    float* value = v + h * a.value_dim;
    std::vector<float> copy;
    if (a.value_is_key) {
      copy.assign(value, value + a.value_dim);
      value = copy.data();
    }
    if (a.v_norm) ops_.norm(*a.v_norm, {}, value, a.value_dim, value);
    clamp(value, a.value_dim);
    cache.store_value(place, position, h, value);
  }
  if (normed) norm_heads(a.k_norm, w.k_norm, k, a.kv_heads, a.key_dim, whole);
  clamp(k, std::int64_t{a.kv_heads} * a.key_dim);
  rotate(a, row, k, a.kv_heads, a.key_dim);
  for (std::int32_t h = 0; h < a.kv_heads; ++h) cache.store_key(place, position, h, k + h * a.key_dim);
}

void Executor::Pass::grouped_attention(std::int32_t index) {
  const AttentionSpec& a = spec_.layers[index].attention;
  const AttentionWeights& w = model_.layers[index].attention;
  const KvLayout::Place& place = model_.kv_layout().place(index);
  const std::int64_t width = w.in.rows();
  float* in = in_.get(0);
  ops_.for_rows(rows_, [&](std::int64_t r) { finish_row(a, w, place, spans_[row_span_[r]], r, in + r * width); });
  const std::int64_t mixed = std::int64_t{a.heads} * a.value_dim;
  attend(index, in, width, mixed_.get(rows_ * mixed), mixed);
}

// Scores and mix of all spans; tasks are (span, kv head, part of its query heads, tile of rows).
void Executor::Pass::attend(std::int32_t index, const float* q, std::int64_t q_stride, float* out,
                            std::int64_t out_stride) {
  const AttentionSpec& a = spec_.layers[index].attention;
  const AttentionWeights& w = model_.layers[index].attention;
  const KvLayout::Place& place = model_.kv_layout().place(index);
  const bool latent = a.kind == AttentionSpec::Kind::latent;
  const std::int32_t kv_heads = a.cached_heads(), group = a.heads / kv_heads;
  const std::int32_t value_dim = latent ? a.kv_rank : a.value_dim;

  struct Task {
    const Span* span;
    std::int32_t kv_head, first_head, heads;
    std::int64_t first_row, rows;  // within the span
  };
  std::vector<Task> tasks;
  // One sequence with few key heads would leave threads idle: its query heads are shared out too.
  std::int64_t units = 0;
  for (const Span& span : spans_) units += kv_heads * ((span.rows + kRowsPerTask - 1) / kRowsPerTask);
  const std::int32_t parts = units >= ops_.team().size() ? 1 : std::min<std::int32_t>(group, ops_.team().size());
  for (const Span& span : spans_) {
    for (std::int64_t first = 0; first < span.rows; first += kRowsPerTask) {
      for (std::int32_t h = 0; h < kv_heads; ++h) {
        for (std::int32_t part = 0; part < parts; ++part) {
          const std::int32_t begin = group * part / parts, end = group * (part + 1) / parts;
          tasks.push_back({&span, h, h * group + begin, end - begin, first, std::min(kRowsPerTask, span.rows - first)});
        }
      }
    }
  }
  // Late rows see more keys: the heaviest tasks go first.
  std::ranges::stable_sort(tasks, std::ranges::greater{}, [](const Task& t) { return t.span->first_position + t.first_row; });

  ops_.for_tasks(std::int64_t(tasks.size()), [&](std::int64_t i, int) {
    const Task& task = tasks[i];
    const auto blocks = task.span->feed->sequence->cache().blocks(place.group);
    thread_local std::vector<const float*> key_blocks, value_blocks;
    key_blocks.resize(blocks.size());
    value_blocks.resize(blocks.size());
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const float* block = blocks[b].get();
      key_blocks[b] = block == nullptr ? nullptr : block + place.key_offset + task.kv_head * place.key_stride;
      value_blocks[b] = block == nullptr ? nullptr : block + place.value_offset + task.kv_head * place.value_stride;
    }
    const std::int64_t row = task.span->first_row + task.first_row;
    kernels::AttentionArgs args;
    args.q = q + row * q_stride + std::int64_t{task.first_head} * place.key_dim;
    args.q_row_stride = q_stride;
    args.q_head_stride = place.key_dim;
    args.out = out + row * out_stride + std::int64_t{task.first_head} * value_dim;
    args.out_row_stride = out_stride;
    args.out_head_stride = value_dim;
    args.rows = task.rows;
    args.first_position = task.span->first_position + task.first_row;
    args.heads = task.heads;
    args.d_k = place.key_dim;
    args.d_v = value_dim;
    args.key_blocks = key_blocks.data();
    args.value_blocks = latent ? nullptr : value_blocks.data();
    args.scale = a.scale;
    args.window = a.window;
    args.sinks = a.sinks ? w.sinks.data() + task.first_head : nullptr;
    args.alibi_slopes = a.alibi ? w.alibi_slopes.data() + task.first_head : nullptr;
    ops_.table().attention(args);
  });
}

void Executor::Pass::count_attention(std::int32_t index) {
  const AttentionSpec& a = spec_.layers[index].attention;
  const auto heads = std::uint64_t(a.heads);
  const bool latent = a.kind == AttentionSpec::Kind::latent;
  const std::uint64_t pair_dims = latent ? 2 * std::uint64_t(a.kv_rank) + std::uint64_t(a.rope_dim)
                                         : std::uint64_t(a.key_dim + a.value_dim);
  // Class B a key and head: softmax 5, scale 1, ALiBi 1; a sink is one key more for every row.
  const std::uint64_t per_key = (a.scale == 1 ? 5 : 6) + (a.alibi ? 1 : 0);
  const KvLayout::Place& place = model_.kv_layout().place(index);
  const std::uint64_t token_bytes = std::uint64_t(place.heads) * std::uint64_t(place.key_dim + place.value_dim) * sizeof(float);
  for (const Span& span : spans_) {
    const std::uint64_t pairs = visible_pairs(span.first_position, span.rows, a.window);
    const std::int64_t last = span.first_position + span.rows;
    const std::int64_t first = a.window > 0 ? std::max<std::int64_t>(0, span.first_position + 1 - a.window) : 0;
    for (CostMeter* meter : {span.feed->meter, executed_}) {
      if (meter == nullptr) continue;
      meter->costs().a(Component::attn_core, 2 * heads * pair_dims * pairs);
      meter->costs().b(Component::attn_core, heads * (per_key * pairs + (a.sinks ? per_key * std::uint64_t(span.rows) : 0)));
      meter->costs().kv_bytes += std::uint64_t(last - first) * token_bytes;
    }
  }
  // Rotation: 3 a rotated component; norms and biases of the heads that were made.
  if (a.rope >= 0) {
    const std::uint64_t rotated_heads = heads + (!a.owns_cache() ? 0 : latent ? 1 : std::uint64_t(a.kv_heads));
    tally(Component::elementwise, 0, 3 * 2 * std::uint64_t(spec_.ropes[a.rope].pairs()) * rotated_heads);
  }
  if (latent) return;
  const std::uint64_t q = heads * std::uint64_t(a.key_dim);
  const std::uint64_t k = a.owns_cache() ? std::uint64_t(a.kv_heads) * std::uint64_t(a.key_dim) : 0;
  const std::uint64_t v = a.owns_cache() ? std::uint64_t(a.kv_heads) * std::uint64_t(a.value_dim) : 0;
  if (a.qk_norm != AttentionSpec::NormScope::none) {
    tally_norm(a.q_norm, q);
    tally_norm(a.k_norm, k);
  }
  if (a.v_norm) tally_norm(*a.v_norm, v);
  tally(Component::attn_proj, 0, (a.q_bias ? q : 0) + (a.k_bias ? k : 0) + (a.v_bias && !a.value_is_key ? v : 0));
}

}  // namespace moe
