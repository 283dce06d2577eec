// Attention with grouped queries: scores, mix, and what they cost.
#include <algorithm>
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
  if (layer.attention.kind == AttentionSpec::Kind::latent) {
    project(layer, w);
    latent_attention(index);
    count_heads(index);
  } else {
    make_heads(index);
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

void Executor::Pass::grouped_attention(std::int32_t index) {
  const AttentionSpec& a = spec_.layers[index].attention;
  const Rows in = spread(in_, rows_, model_.layers[index].attention.in.rows());
  // Later layers read this one's keys and values at most: its other rows end here.
  if (fast_prefill_ && index + 1 == spec_.first_layer_without_cache()) keep_wanted_rows(in, std::int64_t{a.heads} * a.key_dim);
  attend(index, in, spread(mixed_, rows_, std::int64_t{a.heads} * a.value_dim));
}

// Sorts the spans by the blocks they hold, so that sequences that share a prefix become neighbours, and cuts them where the
// cache's lines of keys begin. A window lets go of the prefix: the group that sees furthest decides.
void Executor::Pass::sort_spans() {
  kin_.resize(spans_.size());
  std::iota(kin_.begin(), kin_.end(), 0);
  if (spans_.size() > 1 && !kv_layout_.groups().empty()) {
    const std::int32_t group = kv_layout_.furthest_group();
    const auto blocks = [&](std::int32_t span) { return spans_[span].feed->sequence->cache().blocks(group); };
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
  // to the same number of rows. Single rows join those that see the same first block: others have nothing in common.
  const bool single_rows = rows_ == std::ssize(spans_);
  const std::int64_t even = threads / std::gcd(threads, std::int64_t{kv_heads});
  const std::int64_t tasks = kTasksPerThread * threads;
  const std::int64_t parts_wanted = ((tasks + kv_heads - 1) / kv_heads + even - 1) / even * even;
  const std::int64_t most = std::clamp<std::int64_t>((rows_ + parts_wanted - 1) / parts_wanted, 1, kRowsPerTask);
  runs_.clear();
  run_groups_.clear();
  std::int64_t joined = 0;
  const std::byte* first_seen = nullptr;
  for (const std::int32_t s : kin_) {
    const Span& span = spans_[s];
    const std::byte* const* blocks = span.feed->sequence->cache().blocks(place.group).data();
    const std::int32_t oldest = a.window > 0 ? std::max(span.first_position - a.window + 1, 0) : 0;
    const std::byte* const seen = blocks[oldest / kKvBlockTokens];
    const bool strange = single_rows && seen != first_seen;
    first_seen = seen;
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
