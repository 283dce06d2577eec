// Attention with grouped queries: projections, norms, rotation, cache, scores.
#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "engine/runtime/forward_pass.h"

namespace moe {
namespace {

// Query rows of one task: enough to read each key once for many rows, few enough to balance threads.
constexpr std::int64_t kRowsPerTask = 64;
// Tasks a thread should find, where there are rows enough.
constexpr std::int64_t kTasksPerThread = 4;

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
    count_heads(index);
  } else {
    grouped_attention(index);
  }
  if (rows_ == 0) return;
  const AttentionSpec& a = layer.attention;
  const Rows branch = branch_or_residual(!layer.post_attention_norm);
  const Rows mixed = spread(mixed_, rows_, std::int64_t{a.heads} * a.value_dim);
  ops_.matmul(w.attention.out, mixed.data, mixed.stride, rows_, branch.data, branch.stride, into(branch, w.attention.out_bias));
  tally_matrix(Component::attn_proj, w.attention.out, a.o_bias);
  count_scores(index);
  residual(layer.post_attention_norm, w.post_attention_norm, branch);
}

// in = W_in norm(x): [rows, q | k | v] or the latent counterparts.
void Executor::Pass::project(const LayerSpec& layer, const LayerWeights& w) {
  const Rows x = residual_stream(), normed = spread(norm_, rows_, spec_.hidden);
  norm_rows(layer.input_norm, w.input_norm, x, normed);
  const Rows in = spread(in_, rows_, w.attention.in.rows());
  ops_.matmul(w.attention.in, normed.data, normed.stride, rows_, in.data, in.stride, with_bias(w.attention.in_bias));
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

// Rows between projection and scores: norms, clamp, rotation; their keys and values go to the cache.
void Executor::Pass::finish_stretch(const AttentionSpec& a, const AttentionWeights& w, const KvLayout::Place& place,
                                    const Stretch& stretch, const Rows& in) {
  const auto norm_heads = [&](const NormSpec& spec, const Vector& weight, float* x, std::int32_t heads, std::int32_t dim,
                              bool whole) {
    const std::int32_t parts = whole ? 1 : heads, size = whole ? heads * dim : dim;
    for (std::int32_t i = 0; i < parts; ++i) ops_.norm(spec, weight, x + i * size, size, x + i * size);
  };
  const auto clamp = [&](float* x, std::int64_t n) {
    for (std::int64_t i = 0; a.clip_qkv > 0 && i < n; ++i) x[i] = std::clamp(x[i], -a.clip_qkv, a.clip_qkv);
  };
  const auto for_rows = [&](auto f) {
    for (std::int64_t r = stretch.first_row; r < stretch.first_row + stretch.rows; ++r) f(r, in[r]);
  };
  const bool normed = a.qk_norm != AttentionSpec::NormScope::none;
  const bool whole = a.qk_norm == AttentionSpec::NormScope::projection;
  const std::int64_t q_width = std::int64_t{a.heads} * a.key_dim, k_width = std::int64_t{a.kv_heads} * a.key_dim,
                     v_width = std::int64_t{a.kv_heads} * a.value_dim;
  for_rows([&](std::int64_t r, float* q) {
    if (normed) norm_heads(a.q_norm, w.q_norm, q, a.heads, a.key_dim, whole);
    clamp(q, q_width);
    rotate(a, r, q, a.heads, a.key_dim);
  });
  if (!a.owns_cache()) return;

  // Values first: where they are the raw keys, the keys' norm must not have touched them yet.
  float* values = in[stretch.first_row] + q_width + k_width;
  std::int64_t value_stride = in.stride;
  thread_local std::vector<float> copy;
  if (a.value_is_key) {
    copy.resize(stretch.rows * v_width);
    values = copy.data();
    value_stride = v_width;
  }
  for_rows([&](std::int64_t r, const float* q) {
    float* v = values + (r - stretch.first_row) * value_stride;
    if (a.value_is_key) std::copy_n(q + q_width, v_width, v);
    if (a.v_norm) norm_heads(*a.v_norm, {}, v, a.kv_heads, a.value_dim, false);
    clamp(v, v_width);
  });
  for_rows([&](std::int64_t r, float* q) {
    float* k = q + q_width;
    if (normed) norm_heads(a.k_norm, w.k_norm, k, a.kv_heads, a.key_dim, whole);
    clamp(k, k_width);
    rotate(a, r, k, a.kv_heads, a.key_dim);
  });
  const float* keys = in[stretch.first_row] + q_width;
  for (std::int32_t h = 0; h < a.kv_heads; ++h) {
    stretch.cache->store_values(ops_.table(), place, stretch.first_position, stretch.rows, h, values + h * a.value_dim, value_stride);
    stretch.cache->store_keys(ops_.table(), place, stretch.first_position, stretch.rows, h, keys + h * a.key_dim, in.stride);
  }
}

void Executor::Pass::grouped_attention(std::int32_t index) {
  const AttentionSpec& a = spec_.layers[index].attention;
  const AttentionWeights& w = model_.layers[index].attention;
  const KvLayout::Place& place = kv_layout_.place(index);
  const Rows in = spread(in_, rows_, w.in.rows());
  ops_.for_rows(std::ssize(stretches_), [&](std::int64_t i) { finish_stretch(a, w, place, stretches_[i], in); });
  lap(Component::elementwise);
  count_heads(index);
  // Later layers read this one's keys and values at most: its other rows end here.
  if (fast_prefill_ && index + 1 == spec_.first_layer_without_cache()) keep_wanted_rows(in, w.in.rows());
  attend(index, in, spread(mixed_, rows_, std::int64_t{a.heads} * a.value_dim));
}

// Sorts the spans by the blocks they hold, so that sequences that share a prefix become neighbours, and cuts them where the
// cache's lines of keys begin.
void Executor::Pass::sort_spans() {
  kin_.resize(spans_.size());
  std::iota(kin_.begin(), kin_.end(), 0);
  const auto blocks = [&](std::int32_t span) { return spans_[span].feed->sequence->cache().blocks(0); };
  if (spans_.size() > 1 && !kv_layout_.groups().empty()) {
    std::ranges::stable_sort(kin_, [&](std::int32_t a, std::int32_t b) {
      return std::ranges::lexicographical_compare(blocks(a), blocks(b), std::less<const std::byte*>());
    });
  }
  constexpr std::int32_t kMost = kernels::kLanes;
  stretches_.clear();
  for (const Span& span : spans_) {
    for (std::int64_t done = 0; done < span.rows;) {
      const auto position = std::int32_t(span.first_position + done);
      const auto rows = std::int32_t(std::min<std::int64_t>(span.rows - done, kMost - position % kMost));
      stretches_.push_back({&span.feed->sequence->cache(), span.first_row + done, rows, position});
      done += rows;
    }
  }
}

// Scores and mix of all spans; a task is a kv head, a part of its query heads, and rows of one or several spans.
void Executor::Pass::attend(std::int32_t index, const Rows& q, const Rows& out) {
  const AttentionSpec& a = spec_.layers[index].attention;
  const AttentionWeights& w = model_.layers[index].attention;
  const KvLayout::Place& place = kv_layout_.place(index);
  const bool latent = a.kind == AttentionSpec::Kind::latent;
  const std::int32_t kv_heads = a.cached_heads(), group = a.heads / kv_heads;
  const std::int64_t threads = ops_.team().size();

  // Runs of rows, cut so that there are tasks for all threads, as many for one as for the other; neighbours join up
  // to the same number of rows. Single rows join those that share a prefix with them: others have nothing in common.
  const bool single_rows = rows_ == std::ssize(spans_);
  const std::int64_t even = threads / std::gcd(threads, std::int64_t{kv_heads});
  const std::int64_t tasks = kTasksPerThread * threads;
  const std::int64_t parts_wanted = ((tasks + kv_heads - 1) / kv_heads + even - 1) / even * even;
  const std::int64_t most = std::clamp<std::int64_t>((rows_ + parts_wanted - 1) / parts_wanted, 1, kRowsPerTask);
  runs_.clear();
  run_groups_.clear();
  std::int64_t joined = 0;
  const std::byte* prefix = nullptr;
  for (const std::int32_t s : kin_) {
    const Span& span = spans_[s];
    const std::byte* const* blocks = span.feed->sequence->cache().blocks(place.group).data();
    const bool strange = single_rows && blocks[0] != prefix;
    prefix = blocks[0];
    for (std::int64_t first = 0; first < span.rows; first += most) {
      const std::int64_t rows = std::min(most, span.rows - first), row = span.first_row + first;
      if (run_groups_.empty() || joined + rows > most || strange) {
        run_groups_.push_back({runs_.size(), 0, 0});
        joined = 0;
      }
      runs_.push_back({q[row], out[row], rows, span.first_position + first, blocks});
      joined += rows;
      RunGroup& current = run_groups_.back();
      ++current.count;
      current.pairs += rows * (span.first_position + first + rows);
    }
  }
  // Late rows see more keys: the heaviest tasks go first.
  std::ranges::stable_sort(run_groups_, std::ranges::greater{}, &RunGroup::pairs);

  // One sequence with few key heads would leave threads idle: its query heads are shared out too.
  const auto groups = std::int64_t(run_groups_.size());
  const std::int64_t parts = groups * kv_heads >= threads ? 1 : std::min<std::int64_t>(group, threads);
  // Else a task takes several kv heads, neighbours in memory, as far as there are tasks enough: single rows, which take one
  // as long as the other, need no more than threads.
  const std::int64_t wanted = threads == 1 || single_rows ? threads : tasks;
  std::int64_t together = parts > 1 ? 1 : kv_heads;
  while (together > 1 && (kv_heads % together != 0 || groups * (kv_heads / together) < wanted)) --together;
  const std::int64_t head_groups = kv_heads / together;
  ops_.for_tasks(groups * head_groups * parts, [&](std::int64_t task, int) {
    const RunGroup& of = run_groups_[task / (head_groups * parts)];
    const std::int64_t kv_head = task / parts % head_groups * together, part = task % parts;
    kernels::AttentionArgs args;
    args.type = kv_layout_.type();
    args.runs = runs_.data() + of.first;
    args.run_count = of.count;
    args.q_row_stride = q.stride;
    args.q_head_stride = place.key_dim;
    args.out_row_stride = out.stride;
    args.out_head_stride = latent ? a.kv_rank : a.value_dim;
    args.first_head = int(kv_head * group + group * part / parts);
    args.heads = int(kv_head * group + group * (part + 1) / parts) - args.first_head;
    args.kv_heads = int(together);
    args.d_k = place.key_dim;
    args.d_v = latent ? a.kv_rank : a.value_dim;
    args.key_offset = std::int64_t(place.key_offset + kv_head * place.head_stride);
    args.value_offset = std::int64_t(place.value_offset + kv_head * place.head_stride);
    args.kv_head_stride = std::int64_t(place.head_stride);
    args.values_are_keys = latent;
    args.scale = a.scale;
    args.window = a.window;
    args.sinks = a.sinks ? w.sinks.data() : nullptr;
    args.alibi_slopes = a.alibi ? w.alibi_slopes.data() : nullptr;
    ops_.table().attention(args);
  });
  lap(Component::attn_core);
}

void Executor::Pass::count_heads(std::int32_t index) {
  const AttentionSpec& a = spec_.layers[index].attention;
  const auto heads = std::uint64_t(a.heads);
  const bool latent = a.kind == AttentionSpec::Kind::latent;
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

void Executor::Pass::count_scores(std::int32_t index) {
  const AttentionSpec& a = spec_.layers[index].attention;
  const auto heads = std::uint64_t(a.heads);
  const bool latent = a.kind == AttentionSpec::Kind::latent;
  const std::uint64_t pair_dims = latent ? 2 * std::uint64_t(a.kv_rank) + std::uint64_t(a.rope_dim)
                                         : std::uint64_t(a.key_dim + a.value_dim);
  // Class B a key and head: softmax 5, scale 1, ALiBi 1; a sink is one key more for every row.
  const std::uint64_t per_key = (a.scale == 1 ? 5 : 6) + (a.alibi ? 1 : 0);
  const KvLayout::Place& place = kv_layout_.place(index);
  const std::uint64_t token_bytes =
      std::uint64_t(place.heads) * std::uint64_t(kernels::kv_vector_bytes(kv_layout_.type(), place.key_dim) +
                                                 (latent ? 0 : kernels::kv_vector_bytes(kv_layout_.type(), place.value_dim)));
  std::uint64_t bytes = 0;
  for (const Span& span : spans_) {
    const std::uint64_t pairs = visible_pairs(span.first_position, span.rows, a.window);
    const std::int64_t last = span.first_position + span.rows;
    const std::int64_t first = a.window > 0 ? std::max<std::int64_t>(0, span.first_position + 1 - a.window) : 0;
    const std::uint64_t span_bytes = std::uint64_t(last - first) * token_bytes;
    bytes += span_bytes;
    for (CostMeter* meter : {span.feed->meter, executed_}) {
      if (meter == nullptr) continue;
      meter->costs().a(Component::attn_core, 2 * heads * pair_dims * pairs);
      meter->costs().b(Component::attn_core, heads * (per_key * pairs + (a.sinks ? per_key * std::uint64_t(span.rows) : 0)));
      meter->costs().kv_bytes += span_bytes;
    }
  }
  lap(Component::attn_core, bytes);
}

}  // namespace moe
