// Attention for any instruction set: kernels/attention.h defines the numbers, this file the order of work.
// Included inside a target region; see target.h.
//
// An item is one query row of one head. A group of items, of one or several runs, walks the key blocks
// together: items whose runs hold the same block go over it in panels whose scores and outputs are made by
// register-blocked products. So a block is read from memory once for the heads of a group, several rows, and
// all sequences that share it. Where the items are few, several kv heads walk together, a block's one after the
// other, for their keys and values are neighbours in memory.

namespace moe::kernels::MOE_SIMD {
namespace {

constexpr int kMaxItems = 256;
constexpr std::int64_t kStateBytes = std::int64_t{192} << 10;  // a group's queries and outputs stay in L2

// Rows [row_begin, row_end) of one run; their items follow one another, a row's heads together.
struct Piece {
  const AttentionRun* run;
  std::int64_t row_begin, row_end;
  int first_item;
};

// The state of a group, dense by kv head and item.
template <KvType S>
struct Group {
  int kv_heads;           // that walk together
  int head_begin, heads;  // of the kv head at work, as are o, sums, m and q
  int pieces, items;
  std::int64_t ldq, d_v;  // padded to whole pairs and tiles
  float* o;               // [kv_heads][items][d_v]
  float* sums;            // [kv_heads][items][16]
  float* m;               // [kv_heads][items]
  float* latent_values;   // one block of values made of keys, as f32
  Input<S>* q;            // [kv_heads][items][ldq]
  Piece piece[kMaxItems];
  std::int64_t position[kMaxItems];

  // From a kv head's state to that of the one `by` heads on.
  void move(int by) {
    const std::int64_t skip = std::int64_t{by} * items;
    head_begin += by * heads;
    o += skip * d_v;
    sums += skip * kLanes;
    m += skip;
    q += skip * ldq;
  }
  // f(args of a kv head, whether it is the last) with the state of that head at hand.
  template <typename F>
  void for_kv_heads(const AttentionArgs& args, F f) {
    for (int j = 0; j < kv_heads; ++j) {
      f(args.of_kv_head(j), j + 1 == kv_heads);
      move(1);
    }
    move(-kv_heads);
  }
};

// Of an item that sees something of the block, at `position` counted from the block's start.
inline Slots visible(std::int64_t window, std::int64_t position) {
  const int end = position + 1 < kKvBlock ? static_cast<int>(position) + 1 : kKvBlock;
  const bool cut = window > 0 && position >= window;
  return {cut ? static_cast<int>(position - window) + 1 : 0, end};
}

// Raw dot products of one item and block to scores (in place), -inf where invisible; returns the larger ones of its
// halves, whose maximum is the item's.
inline Vec finish_scores(const AttentionArgs& args, int head, std::int64_t position, Slots slots, float* scores) {
  Vec s[2] = {mul(load(scores), set1(args.scale)), mul(load(scores + kLanes), set1(args.scale))};
  if (args.softcap > 0.0F) {
    const Vec cap = set1(args.softcap);
    for (Vec& v : s) v = mul(cap, tanh(div(v, cap)));
  }
  if (args.alibi_slopes != nullptr) {
    float distance[kKvBlock];
    for (int slot = 0; slot < kKvBlock; ++slot) distance[slot] = static_cast<float>(slot - position);
    const Vec slope = set1(args.alibi_slopes[head]);
    for (int half = 0; half < 2; ++half) s[half] = fma(slope, load(distance + half * kLanes), s[half]);
  }
  if (!slots.whole()) {
    const Vec lowest = set1(-std::numeric_limits<float>::infinity());
    for (int half = 0; half < 2; ++half) {
      s[half] = select(lane_range(slots.begin - half * kLanes, slots.end - half * kLanes), s[half], lowest);
    }
  }
  store(scores, s[0]);
  store(scores + kLanes, s[1]);
  return max(s[0], s[1]);
}

// Scores of one item to weights in `p`, and its sums: L <- L * alpha + p.
template <KvType S, typename Weight>
inline void weigh_scores(const float* scores, Slots slots, float most, float alpha, const float* value_scales, Weight* p,
                         float* sums) {
  Vec w[2];
  for (int half = 0; half < 2; ++half) {
    w[half] = exp_bounded(sub(load(scores + half * kLanes), set1(most)));
    if (!slots.whole()) {
      w[half] = select(lane_range(slots.begin - half * kLanes, slots.end - half * kLanes), w[half], zero());
    }
    if constexpr (S == KvType::bf16) w[half] = store_rounded(p + half * kLanes, w[half]);
  }
  store(sums, fma(load(sums), set1(alpha), add(w[0], w[1])));
  if constexpr (S != KvType::bf16) {
    for (int half = 0; half < 2; ++half) {
      if constexpr (S == KvType::q8) w[half] = mul(w[half], load(value_scales + half * kLanes));
      store(p + half * kLanes, w[half]);
    }
  }
}

// o <- o * alpha + p V for `count` items. Where their visible slots differ (the diagonal, the edge of a
// window), slots that all see are taken together and the others by items that see the same, still in ascending order.
template <KvType S, Walk walk>
void weigh_values(const std::byte* values, NextBlock& next, const Input<S>* p, float* alpha,
                  const Slots* slots, int count, float* o, std::int64_t d_v) {
  Slots common = slots[0];
  for (int i = 1; i < count; ++i) {
    common = {std::max(common.begin, slots[i].begin), std::min(common.end, slots[i].end)};
  }
  // Whole pairs, which dot products must not find cut in two for the sake of a neighbour.
  if (!common.whole()) common = {(common.begin + 1) / 2 * 2, common.end / 2 * 2};
  // Neighbours that see the same of what the others do not, as a row's heads do.
  const auto apart = [&](auto begin_of, auto end_of) {
    for (int i = 0, last = 0; i < count; i = last) {
      const int begin = begin_of(slots[i]), end = end_of(slots[i]);
      while (last < count && begin_of(slots[last]) == begin && end_of(slots[last]) == end) ++last;
      if (begin >= end) continue;
      kWeighPanels<S, walk>[static_cast<std::size_t>(last - i - 1)](values, next, p + i * kKvBlock, alpha + i, begin, end,
                                                                    o + i * d_v, d_v);
      std::fill_n(alpha + i, last - i, 1.0F);  // o has been scaled; times one changes nothing
    }
  };
  const auto begin_of = [](const Slots& of) { return of.begin; };
  const auto end_of = [](const Slots& of) { return of.end; };
  if (common.begin >= common.end) return apart(begin_of, end_of);
  apart(begin_of, [&](const Slots&) { return common.begin; });
  kWeighPanels<S, walk>[static_cast<std::size_t>(count - 1)](values, next, p, alpha, common.begin, common.end, o, d_v);
  std::fill_n(alpha, count, 1.0F);
  apart([&](const Slots&) { return common.end; }, end_of);
}

// Whether keys or values of a type are multiplied by tiles.
#if defined(MOE_AMX)
template <KvType T>
constexpr bool kByTiles = T == KvType::bf16;
#else
template <KvType T>
constexpr bool kByTiles = false;
inline constexpr int kTilePanelRows = 0;
#endif
// Rows of a panel, of keys of S and values of V.
template <KvType S, KvType V>
constexpr int kPanelRowsOf = kByTiles<S> && kByTiles<V> ? kTilePanelRows : kPanelRows;

// One block's keys and values. Values made of keys are f32 before their scales.
struct Block {
  std::int64_t base;
  const std::byte *keys, *values;
  const float* value_scales;  // q8
  NextBlock next;
};

// Items [begin, begin + count) of the group against one block; V is the type of the values as they are here.
template <KvType S, KvType V, Walk walk>
void attend_panel(const AttentionArgs& args, Group<S>& group, Block& block, int begin, int count) {
  constexpr int kRows = kPanelRowsOf<S, V>;
  alignas(64) float scores[kRows * kKvBlock];
  alignas(64) Input<V> p[kRows * kKvBlock];
  Slots slots[kRows];
  Vec largest[(kRows + 3) / 4 * 4];
  alignas(64) float most[kLanes], alpha[kLanes];  // whole vectors, which loads of their parts need not wait for
#if defined(MOE_AMX)
  if constexpr (kByTiles<S>) score_tiles(block.keys, block.next, group.q + begin * group.ldq, group.ldq, args.d_k, count, scores);
#endif
  if constexpr (!kByTiles<S>) {
    kScorePanels<S, walk>[static_cast<std::size_t>(count - 1)](block.keys, block.next, group.q + begin * group.ldq, group.ldq,
                                                               args.d_k, scores);
  }
  int head = begin % group.heads;
  for (int i = 0; i < count; ++i) {
    const std::int64_t position = group.position[begin + i] - block.base;
    const Slots seen = visible(args.window, position);
    largest[i] = finish_scores(args, group.head_begin + head, position, seen, scores + i * kKvBlock);
    slots[i] = seen;
    if (++head == group.heads) head = 0;
  }
  const Vec old = load_partial(group.m + begin, count), now = max(old, row_maxima(largest, count));
  store_partial(group.m + begin, now, count);
  store(most, now);
  store(alpha, exp_bounded(sub(old, now)));
  for (int i = 0; i < count; ++i) {
    weigh_scores<S>(scores + i * kKvBlock, slots[i], most[i], alpha[i], block.value_scales, p + i * kKvBlock,
                    group.sums + (begin + i) * kLanes);
  }
  float* o = group.o + begin * group.d_v;
#if defined(MOE_AMX)
  if constexpr (kByTiles<V>) {
    if (std::all_of(slots, slots + count, [](const Slots& of) { return of.whole(); })) {
      return weigh_tiles(block.values, block.next, p, alpha, count, o, group.d_v);
    }
    return weigh_some(block.values, block.next, p, alpha, slots, count, o, group.d_v);
  }
#endif
  if constexpr (!kByTiles<V>) weigh_values<V, walk>(block.values, block.next, p, alpha, slots, count, o, group.d_v);
}

// Latent attention: the first components of the keys of a block, in the layout of f32 values.
template <KvType S>
void values_of_keys(const std::byte* keys, std::int64_t d_k, std::int64_t d_v, float* values) {
  const std::byte* tiles = keys + (S == KvType::q8 ? kKvScaleBytes : 0);
  const std::int64_t pairs = (d_k + 1) / 2;
  const std::int64_t tile_bytes =
      S == KvType::bf16 ? pairs * Stored<S>::kPairBytes : d_k * Stored<S>::kPairBytes / 2;
  for (std::int64_t d = 0; d < d_v; d += kLanes) {
    const std::int64_t components = std::min<std::int64_t>(kLanes, d_v - d);
    for (int half = 0; half < 2; ++half) {
      alignas(64) float rows[kLanes * kLanes];
      for (std::int64_t i = 0; i < kLanes; ++i) {
        const std::byte* pair = tiles + half * tile_bytes + (d + i) / 2 * Stored<S>::kPairBytes;
        store(rows + i * kLanes, i >= components ? zero()
                                 : i % 2 == 0    ? Stored<S>::even(pair)
                                                 : Stored<S>::odd(pair));
      }
      transpose16(rows, values + d * kKvBlock + half * kLanes * kLanes);
    }
  }
}

// A block with the items [begin, end) that share it and see something of it.
struct Step {
  std::int64_t base = 0;
  const std::byte* block = nullptr;
  int begin = 0, end = 0;
};

// More items have so much to compute with each line that tiles side by side, which take fewer loads, are faster from
// memory too.
constexpr int kInOrderItems = kVecs == 32 ? kPanelRows : 3;

template <KvType S, KvType V>
constexpr int panel_count(int items) {
  return (items + kPanelRowsOf<S, V> - 1) / kPanelRowsOf<S, V>;
}

template <KvType S, KvType V>
void attend_items(const AttentionArgs& args, Group<S>& group, Block block, int begin, int end) {
  const int panels = panel_count<S, V>(end - begin);
  if (!kByTiles<S> && end - begin <= kInOrderItems && fastest_streams() == 1) {
    return attend_panel<S, V, Walk::in_order>(args, group, block, begin, end - begin);
  }
  for (int panel = 0; panel < panels; ++panel) {
    const int first = begin + (end - begin) * panel / panels,
              last = begin + (end - begin) * (panel + 1) / panels;
    attend_panel<S, V, Walk::side_by_side>(args, group, block, first, last - first);
    block.next.stop();  // the first panel has asked for all of it
  }
}

// Spreads the fetches of the keys at `next` (null: of nothing) and of their values over the first panel's steps: pairs of components, then of slots.
template <KvType S>
NextBlock plan_fetches(const AttentionArgs& args, const Group<S>& group, const Step& step, const std::byte* next) {
  if (next == nullptr || fastest_streams() == 1) return {reinterpret_cast<const char*>(step.block)};
  const int panels = panel_count<S, S>(step.end - step.begin);
  const int rows = (step.end - step.begin) / panels;
  const std::int64_t tiles = group.d_v / kLanes, at_once = kByTiles<S> ? 4 : panel_tiles(rows, 8);
  const std::int64_t steps = (args.d_k + 1) / 2 * (kByTiles<S> ? 1 : 2 / panel_tiles(rows, 2)) +
                             (tiles + at_once - 1) / at_once * (kKvBlock / 2);
  const std::int64_t values = args.values_are_keys ? 0 : value_block_bytes(S, args.d_v);
  return NextBlock::of(next, key_block_bytes(S, args.d_k) + values, steps);
}

template <KvType S>
void attend_block(const AttentionArgs& args, Group<S>& group, const Step& step, const std::byte* next) {
  const std::byte* keys = step.block + args.key_offset;
  const NextBlock fetches = plan_fetches(args, group, step, next);
  if (args.values_are_keys) {
    values_of_keys<S>(keys, args.d_k, args.d_v, group.latent_values);
    const auto* values = reinterpret_cast<const std::byte*>(group.latent_values);
    attend_items<S, KvType::f32>(args, group,
                                 {step.base, keys, values, reinterpret_cast<const float*>(keys), fetches},
                                 step.begin, step.end);
  } else {
    const std::byte* values = step.block + args.value_offset;
    attend_items<S, S>(args, group,
                       {step.base, keys, values, reinterpret_cast<const float*>(values), fetches},
                       step.begin, step.end);
  }
}

// A block for all kv heads of the group; `next` is the block after it.
template <KvType S>
void attend_step(const AttentionArgs& args, Group<S>& group, const Step& step, const std::byte* next) {
  group.for_kv_heads(args, [&](const AttentionArgs& one, bool last) {
    const std::byte* keys = !last           ? step.block + one.key_offset + args.kv_head_stride
                            : next != nullptr ? next + args.key_offset
                                              : nullptr;
    attend_block<S>(one, group, step, keys);
  });
}

// Rows of queries and outputs lie far from each other: their lines are asked for some rows ahead.
constexpr std::int64_t kRowsAhead = 2;
template <int write>
inline __attribute__((always_inline)) void fetch_row(const float* row, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLanes) __builtin_prefetch(row + i, write);
}

template <KvType S>
void begin_group(const AttentionArgs& args, Group<S>& group) {
  for (int p = 0; p < group.pieces; ++p) {
    const Piece& piece = group.piece[p];
    int item = piece.first_item;
    for (std::int64_t row = piece.row_begin; row < piece.row_end; ++row) {
      for (int head = group.head_begin; head < group.head_begin + group.heads; ++head, ++item) {
        const float* from = piece.run->q + row * args.q_row_stride + head * args.q_head_stride;
        fetch_row<0>(from + kRowsAhead * args.q_row_stride, args.d_k);
        Input<S>* to = group.q + item * group.ldq;
        if constexpr (!std::is_same_v<Input<S>, float>) {
          std::int64_t d = 0;
          for (; d + kLanes <= args.d_k; d += kLanes) store_rounded(to + d, load(from + d));
          if (d < args.d_k) store_rounded(to + d, load_partial(from + d, args.d_k - d));
        } else if constexpr (S == KvType::bf16) {
          map(from, args.d_k, to, [](Vec v) { return round_bf16(v); });
        } else {
          std::memcpy(to, from, static_cast<std::size_t>(args.d_k) * sizeof(float));
        }
        std::fill_n(group.o + item * group.d_v, group.d_v, 0.0F);
        std::fill_n(group.sums + item * kLanes, kLanes, 0.0F);
        group.position[item] = piece.run->first_position + row;
        group.m[item] = -std::numeric_limits<float>::infinity();
        if (args.sinks != nullptr) {
          group.m[item] = args.sinks[head];
          group.sums[item * kLanes] = 1.0F;
        }
      }
    }
  }
}

template <KvType S>
void end_group(const AttentionArgs& args, const Group<S>& group) {
  for (int p = 0; p < group.pieces; ++p) {
    const Piece& piece = group.piece[p];
    int item = piece.first_item;
    for (std::int64_t row = piece.row_begin; row < piece.row_end; ++row) {
      for (int head = group.head_begin; head < group.head_begin + group.heads; ++head, ++item) {
        const Vec inverse = set1(1.0F / tree_sum(load(group.sums + item * kLanes)));
        float* out = piece.run->out + row * args.out_row_stride + head * args.out_head_stride;
        fetch_row<1>(out + kRowsAhead * args.out_row_stride, args.d_v);
        map(group.o + item * group.d_v, args.d_v, out, [&](Vec v) { return mul(v, inverse); });
      }
    }
  }
}

// Rows of a piece that see something of the block at `base`: at or after it, and not yet past it by a window.
struct Rows {
  std::int64_t begin, end;
};
Rows rows_at(const Piece& piece, std::int64_t window, std::int64_t base) {
  const std::int64_t first = piece.run->first_position;
  const std::int64_t end =
      window > 0 ? std::min(piece.row_end, base + kKvBlock - 1 + window - first) : piece.row_end;
  return {std::max(piece.row_begin, base - first), end};
}

template <KvType S>
void attend_group(const AttentionArgs& args, Group<S>& group) {
  group.for_kv_heads(args, [&](const AttentionArgs& one, bool) { begin_group(one, group); });
  std::int64_t first = std::numeric_limits<std::int64_t>::max(), last = 0;
  for (int p = 0; p < group.pieces; ++p) {
    const std::int64_t start = group.piece[p].run->first_position;
    const std::int64_t oldest = start + group.piece[p].row_begin - args.window + 1;
    first = std::min(first, args.window > 0 ? std::max<std::int64_t>(0, oldest) / kKvBlock : 0);
    last = std::max(last, (start + group.piece[p].row_end - 1) / kKvBlock);
  }
  Step step;  // found, and done when its follower is known, which it fetches
  for (std::int64_t index = first; index <= last; ++index) {
    const std::int64_t base = index * kKvBlock;
    for (int p = 0; p < group.pieces;) {
      const Piece& piece = group.piece[p++];
      const Rows rows = rows_at(piece, args.window, base);
      if (rows.begin >= rows.end) continue;
      const auto item_of = [&](const Piece& of, std::int64_t row) {
        return of.first_item + static_cast<int>(row - of.row_begin) * group.heads;
      };
      const std::byte* block = piece.run->blocks[index];
      int end = item_of(piece, rows.end);
      bool open = rows.end == piece.row_end;
      while (open && p < group.pieces) {  // neighbours that hold the same block
        const Piece& other = group.piece[p];
        const Rows more = rows_at(other, args.window, base);
        if (more.begin != other.row_begin || more.begin >= more.end || other.run->blocks[index] != block)
          break;
        end = item_of(other, more.end);
        open = more.end == other.row_end;
        ++p;
      }
      if (step.block != nullptr) attend_step<S>(args, group, step, block);
      step = {base, block, item_of(piece, rows.begin), end};
    }
  }
  if (step.block != nullptr) attend_step<S>(args, group, step, nullptr);
  group.for_kv_heads(args, [&](const AttentionArgs& one, bool) { end_group(one, group); });
}

// Cuts the runs' rows into groups of at most `most` items.
template <KvType S>
void attend_heads(const AttentionArgs& args, Group<S>& group, int most) {
  group.pieces = group.items = 0;
  for (std::int64_t r = 0; r < args.run_count; ++r) {
    const AttentionRun& run = args.runs[r];
    for (std::int64_t row = 0; row < run.rows;) {
      const std::int64_t room = (most - group.items) / group.heads;
      if (room == 0) {
        attend_group(args, group);
        group.pieces = group.items = 0;
        continue;
      }
      const std::int64_t end = std::min(run.rows, row + room);
      group.piece[group.pieces++] = {&run, row, end, group.items};
      group.items += static_cast<int>(end - row) * group.heads;
      row = end;
    }
  }
  if (group.items > 0) attend_group(args, group);
}

template <KvType S>
void attend(const AttentionArgs& args) {
  static thread_local Scratch scratch;
  static thread_local Group<S> group;
  group.d_v = (args.d_v + kLanes - 1) / kLanes * kLanes;
  group.ldq = (args.d_k + kLanes - 1) / kLanes * kLanes;
  const std::int64_t item_floats = group.ldq + group.d_v + kLanes + 1;
  std::int64_t rows = 0;
  for (std::int64_t r = 0; r < args.run_count; ++r) rows += args.runs[r].rows;
  const auto fit =
      static_cast<int>(std::clamp<std::int64_t>(kStateBytes / (4 * item_floats), 2 * kPanelRows, kMaxItems));
  // Items of a kv head; where all of them leave room, several kv heads walk together.
  const int most = static_cast<int>(std::min<std::int64_t>(fit, rows * args.heads));
  const int together = most < rows * args.heads ? 1 : std::clamp(fit / std::max(most, 1), 1, args.kv_heads);
  const int items = most * together;
  float* memory =
      scratch.floats(items * item_floats + kLanes + (args.values_are_keys ? group.d_v * kKvBlock : 0));
  for (int j = 0; j < args.kv_heads; j += group.kv_heads) {
    AttentionArgs part = args.of_kv_head(j);
    part.kv_heads = group.kv_heads = std::min(together, args.kv_heads - j);
    for (int done = 0; done < args.heads; done += group.heads) {
      group.head_begin = part.first_head + done;
      group.heads = std::min(args.heads - done, most);
      group.o = memory;
      group.sums = group.o + items * group.d_v;
      group.q = reinterpret_cast<Input<S>*>(group.sums + items * kLanes);
      group.latent_values = group.sums + items * (kLanes + group.ldq);
      group.m = group.latent_values + (args.values_are_keys ? group.d_v * kKvBlock : 0);
      attend_heads(part, group, most);
    }
  }
}

void attention(const AttentionArgs& args) {
  switch (args.type) {
    case KvType::f32:
      return attend<KvType::f32>(args);
    case KvType::bf16:
      attend<KvType::bf16>(args);
#if defined(MOE_AMX)
      end_tiles();
#endif
      return;
    case KvType::q8:
      return attend<KvType::q8>(args);
  }
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
