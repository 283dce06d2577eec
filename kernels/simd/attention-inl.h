// Attention for any instruction set: kernels/attention.h defines the numbers, this file the order of work.
// Included inside a target region; see target.h.
//
// An item is one query row of one head. A group of items walks the key blocks together, in panels of
// kMicroRows items whose scores and outputs are made by register-blocked products, so that a block is read
// from memory once for the heads of a group and several rows.

namespace moe::kernels::MOE_SIMD {
namespace {

constexpr std::int64_t kGroupItems = 48;

// sums[t][r] <- chain over i < n of fma(w[i * 16 + lanes] of tile t, x[r * ldx + i], sums).
template <int MR, int T>
inline void accumulate(Vec (&sums)[T][MR], const float* w, std::int64_t tile_stride, const float* x,
                       std::int64_t ldx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    step<MR, T>(sums, x + i, ldx, [&](int t) { return load(w + t * tile_stride + i * kLanes); });
  }
}

// scores[r][32] = q . k for one block: T of its two tiles at a time.
template <int MR>
void score_panel(const float* keys, const float* q, std::int64_t d_k, float* scores) {
  constexpr int T = MR > 3 ? 1 : 2;
  for (int first = 0; first < 2; first += T) {
    Vec sums[T][MR];
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) sums[t][r] = zero();
    }
    accumulate<MR, T>(sums, keys + first * d_k * kLanes, d_k * kLanes, q, d_k, d_k);
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) store(scores + r * kKvBlock + (first + t) * kLanes, sums[t][r]);
    }
  }
}

// o[r] <- o[r] * alpha[r] + sum over slots [begin, end) of p[r][slot] * v[slot], for T tiles of components.
template <int MR, int T>
inline void weigh_tiles(const float* values, const float* p, const float* alpha, int begin, int end, float* o,
                        std::int64_t ldo) {
  Vec sums[T][MR];
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) sums[t][r] = mul(load(o + r * ldo + t * kLanes), set1(alpha[r]));
  }
  accumulate<MR, T>(sums, values + begin * kLanes, kKvBlock * kLanes, p + begin, kKvBlock, end - begin);
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) store(o + r * ldo + t * kLanes, sums[t][r]);
  }
}
template <int MR>
void weigh_panel(const float* values, const float* p, const float* alpha, int begin, int end, float* o,
                 std::int64_t ldo) {
  constexpr int T = max_tiles(MR) < 4 ? max_tiles(MR) : 4;
  std::int64_t d = 0;
  for (; d + T * kLanes <= ldo; d += T * kLanes) {
    weigh_tiles<MR, T>(values + d * kKvBlock, p, alpha, begin, end, o + d, ldo);
  }
  for (; d < ldo; d += kLanes) weigh_tiles<MR, 1>(values + d * kKvBlock, p, alpha, begin, end, o + d, ldo);
}

using ScorePanel = void (*)(const float*, const float*, std::int64_t, float*);
using WeighPanel = void (*)(const float*, const float*, const float*, int, int, float*, std::int64_t);
template <int... R>
constexpr std::array<ScorePanel, kMicroRows> score_panels(std::integer_sequence<int, R...>) {
  return {score_panel<R + 1>...};
}
template <int... R>
constexpr std::array<WeighPanel, kMicroRows> weigh_panels(std::integer_sequence<int, R...>) {
  return {weigh_panel<R + 1>...};
}
constexpr auto kScorePanels = score_panels(std::make_integer_sequence<int, kMicroRows>());
constexpr auto kWeighPanels = weigh_panels(std::make_integer_sequence<int, kMicroRows>());

// The state of a group, dense by item.
struct Group {
  std::int64_t row_begin, row_end;
  int head_begin, head_end;
  std::int64_t d_v;  // padded to whole tiles
  float* q;          // [items][d_k]
  float* o;          // [items][d_v]
  float* sums;       // [items][16]
  float* m;          // [items]

  int heads() const { return head_end - head_begin; }
  std::int64_t items() const { return (row_end - row_begin) * heads(); }
};

struct Range {
  int begin, end;  // slots of one block
  bool operator==(const Range&) const = default;
};

Range visible(const AttentionArgs& args, std::int64_t row, std::int64_t base) {
  const std::int64_t position = args.first_position + row;
  const std::int64_t first = args.window > 0 ? std::max<std::int64_t>(0, position - args.window + 1) : 0;
  return {static_cast<int>(std::clamp<std::int64_t>(first - base, 0, kKvBlock)),
          static_cast<int>(std::clamp<std::int64_t>(position + 1 - base, 0, kKvBlock))};
}

// Raw dot products of one item and block to weights p (in place), updating m and the sums; returns alpha.
float soften(const AttentionArgs& args, int head, std::int64_t base_from_position, Range range, float* scores,
             float* m, float* sums) {
  Vec s[2] = {mul(load(scores), set1(args.scale)), mul(load(scores + kLanes), set1(args.scale))};
  if (args.softcap > 0.0F) {
    const Vec cap = set1(args.softcap);
    for (Vec& v : s) v = mul(cap, tanh(div(v, cap)));
  }
  if (args.alibi_slopes != nullptr) {
    float distance[kKvBlock];
    for (int slot = 0; slot < kKvBlock; ++slot)
      distance[slot] = static_cast<float>(base_from_position + slot);
    const Vec slope = set1(args.alibi_slopes[head]);
    for (int half = 0; half < 2; ++half) s[half] = fma(slope, load(distance + half * kLanes), s[half]);
  }
  const bool whole = range == Range{0, kKvBlock};
  const Vec lowest = set1(-std::numeric_limits<float>::infinity());
  Mask inside[2];
  if (!whole) {
    for (int half = 0; half < 2; ++half) {
      inside[half] = lane_range(range.begin - half * kLanes, range.end - half * kLanes);
      s[half] = select(inside[half], s[half], lowest);
    }
  }
  const float most = max_f32(*m, tree_max(max(s[0], s[1])));
  const float step = *m - most;
  const float alpha = step == 0.0F ? 1.0F : exp_f32(step);  // exp(0) = 1 exactly
  Vec p[2];
  for (int half = 0; half < 2; ++half) {
    p[half] = exp(sub(s[half], set1(most)));
    if (!whole) p[half] = select(inside[half], p[half], zero());
    store(scores + half * kLanes, p[half]);
  }
  store(sums, fma(load(sums), set1(alpha), add(p[0], p[1])));
  *m = most;
  return alpha;
}

// Items [begin, begin + count) of the group against one block.
void attend_panel(const AttentionArgs& args, const Group& group, std::int64_t base, const float* keys,
                  const float* values, std::int64_t begin, int count) {
  alignas(64) float p[kMicroRows * kKvBlock];
  float alpha[kMicroRows];
  Range ranges[kMicroRows];
  kScorePanels[static_cast<std::size_t>(count - 1)](keys, group.q + begin * args.d_k, args.d_k, p);
  bool same = true;
  for (int i = 0; i < count; ++i) {
    const std::int64_t item = begin + i, row = group.row_begin + item / group.heads();
    ranges[i] = visible(args, row, base);
    same = same && ranges[i] == ranges[0];
    alpha[i] = soften(args, group.head_begin + static_cast<int>(item % group.heads()),
                      base - (args.first_position + row), ranges[i], p + i * kKvBlock, group.m + item,
                      group.sums + item * kLanes);
  }
  float* o = group.o + begin * group.d_v;
  if (same) {
    kWeighPanels[static_cast<std::size_t>(count - 1)](values, p, alpha, ranges[0].begin, ranges[0].end, o,
                                                      group.d_v);
    return;
  }
  for (int i = 0; i < count; ++i) {
    weigh_panel<1>(values, p + i * kKvBlock, alpha + i, ranges[i].begin, ranges[i].end, o + i * group.d_v,
                   group.d_v);
  }
}

// Latent attention: the first components of the keys of a block, in the layout of values.
void values_of_keys(const float* keys, std::int64_t d_k, std::int64_t d_v, float* values) {
  for (std::int64_t d = 0; d < d_v; d += kLanes) {
    const int components = static_cast<int>(std::min<std::int64_t>(kLanes, d_v - d));
    for (int half = 0; half < 2; ++half) {
      const float* from = keys + (half * d_k + d) * kLanes;
      float* to = values + (d * kKvBlock) + half * kLanes * kLanes;
      if (components == kLanes) {
        transpose16(from, to);
        continue;
      }
      for (int slot = 0; slot < kLanes; ++slot) {
        for (int i = 0; i < kLanes; ++i)
          to[slot * kLanes + i] = i < components ? from[i * kLanes + slot] : 0.0F;
      }
    }
  }
}

void begin_group(const AttentionArgs& args, const Group& group) {
  for (std::int64_t item = 0; item < group.items(); ++item) {
    const std::int64_t row = group.row_begin + item / group.heads();
    const int head = group.head_begin + static_cast<int>(item % group.heads());
    std::memcpy(group.q + item * args.d_k, args.q + row * args.q_row_stride + head * args.q_head_stride,
                static_cast<std::size_t>(args.d_k) * sizeof(float));
    std::fill_n(group.o + item * group.d_v, group.d_v, 0.0F);
    std::fill_n(group.sums + item * kLanes, kLanes, 0.0F);
    group.m[item] = -std::numeric_limits<float>::infinity();
    if (args.sinks != nullptr) {
      group.m[item] = args.sinks[head];
      group.sums[item * kLanes] = 1.0F;
    }
  }
}

void end_group(const AttentionArgs& args, const Group& group) {
  for (std::int64_t item = 0; item < group.items(); ++item) {
    const std::int64_t row = group.row_begin + item / group.heads();
    const int head = group.head_begin + static_cast<int>(item % group.heads());
    const Vec inverse = set1(1.0F / tree_sum(load(group.sums + item * kLanes)));
    map(group.o + item * group.d_v, args.d_v,
        args.out + row * args.out_row_stride + head * args.out_head_stride,
        [&](Vec v) { return mul(v, inverse); });
  }
}

void attend_group(const AttentionArgs& args, const Group& group, float* latent_values) {
  begin_group(args, group);
  const std::int64_t first_position = args.first_position + group.row_begin;
  const std::int64_t last_position = args.first_position + group.row_end - 1;
  const std::int64_t first =
      args.window > 0 ? std::max<std::int64_t>(0, first_position - args.window + 1) : 0;
  for (std::int64_t block = first / kKvBlock; block <= last_position / kKvBlock; ++block) {
    const std::int64_t base = block * kKvBlock;
    // Rows that see something here: at or after the block, and not yet past it by a window.
    const std::int64_t row_begin = std::max(group.row_begin, base - args.first_position);
    const std::int64_t row_end =
        args.window > 0 ? std::min(group.row_end, base + kKvBlock - 1 + args.window - args.first_position)
                        : group.row_end;
    const float* keys = args.key_blocks[block];
    const float* values = latent_values;
    if (args.value_blocks != nullptr) {
      values = args.value_blocks[block];
    } else {
      values_of_keys(keys, args.d_k, args.d_v, latent_values);
    }
    const std::int64_t end = (row_end - group.row_begin) * group.heads();
    for (std::int64_t item = (row_begin - group.row_begin) * group.heads(); item < end;) {
      const int count = panel_rows(end - item);
      attend_panel(args, group, base, keys, values, item, count);
      item += count;
    }
  }
  end_group(args, group);
}

void attention(const AttentionArgs& args) {
  static thread_local Scratch scratch;
  const std::int64_t d_v = (args.d_v + kLanes - 1) / kLanes * kLanes;
  const std::int64_t heads = std::min<std::int64_t>(args.heads, kGroupItems);
  const std::int64_t rows = std::min<std::int64_t>(args.rows, std::max<std::int64_t>(1, kGroupItems / heads));
  const std::int64_t items = rows * heads;
  const std::int64_t latent = args.value_blocks == nullptr ? value_block_floats(args.d_v) : 0;
  float* memory = scratch.floats(items * (args.d_k + d_v + kLanes + 1) + latent);
  Group group;
  group.d_v = d_v;
  float* latent_values = memory;
  group.o = latent_values + latent;
  group.sums = group.o + items * d_v;
  group.q = group.sums + items * kLanes;
  group.m = group.q + items * args.d_k;
  for (std::int64_t row = 0; row < args.rows; row += rows) {
    for (int head = 0; head < args.heads; head += static_cast<int>(heads)) {
      group.row_begin = row;
      group.row_end = std::min(args.rows, row + rows);
      group.head_begin = head;
      group.head_end = std::min<int>(args.heads, head + static_cast<int>(heads));
      attend_group(args, group, latent_values);
    }
  }
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
