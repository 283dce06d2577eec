// The blocking around the microkernels of a product, for any instruction set. Included inside a target
// region; see target.h.
//
// A microkernel holds MR rows of x times T tiles of 16 outputs in registers over one block of K, and adds to
// sums kept in a buffer. Rows go in chunks and tiles in groups, so that a chunk's blocks of x and the group's
// sums stay in L2, and a bundle of T tiles' blocks in L1 for all rows of the chunk. When a group has seen all
// of K, its sums go through the epilogue to y. Where one microkernel takes all rows it takes all of K too, so
// that nothing interrupts its reading of the weights.

namespace moe::kernels::MOE_SIMD {
namespace {

// T tiles from `weights` on (`tile_stride` bytes apart) times MR rows from `x` on, over `count` inputs in
// blocks of kBlockK. sums[(r * T + t) * 16 + lane] are written (first) or added to.
struct MicroArgs {
  const std::byte* weights;
  std::int64_t tile_stride;
  const std::byte* x;
  std::int64_t row_bytes;       // from row to row of x; f32 alone, for other inputs are always packed
  std::int64_t block_stride;    // bytes from one block of x to the next
  const InputGroups* groups;    // int8 alone
  std::int64_t group_stride;    // from one block's to the next one's
  const void* scales;           // int8 alone: of the first tile, among its quants or widened
  std::int64_t scale_stride;    // numbers from tile to tile
  std::int64_t count;
  // Weights to fetch meanwhile: of T tiles, `next_stride` bytes apart, from `next` on, as many bytes each as
  // make `next_share` in a whole block of K. In order: T times as many bytes in one stream from `next` on, where the
  // T tiles that come after these begin.
  const std::byte* next;
  std::int64_t next_stride, next_share;
  bool next_in_order;
  bool fetch_once;  // see Ahead
  // Where what is fetched goes on: at the end of the first tile, `jump` bytes on. Null: nowhere but ahead.
  const std::byte* end;
  std::int64_t jump;
  float* widened;  // where a microkernel that widens weights leaves them, [T][kBlockK][16]
  float* sums;
  bool first;
};
using Micro = void (*)(const MicroArgs&);

// Rows of inputs that advance together. A pointer for each four of them keeps the addresses in few registers.
template <typename T, int MR>
struct PanelRows {
  const T* base[(MR + 3) / 4];
  std::int64_t stride;

  PanelRows(const T* x, std::int64_t ldx) : stride(ldx) {
    MOE_UNROLL
    for (int i = 0; i < (MR + 3) / 4; ++i) base[i] = x + 4 * i * ldx;
  }
  const T* row(int r) const { return base[r / 4] + (r % 4) * stride; }
  void advance(std::int64_t n) {
    MOE_UNROLL
    for (int i = 0; i < (MR + 3) / 4; ++i) base[i] += n;
  }
};

// Calls f with one block of K after the other, of which there is one at least; a block of one of T tiles takes `bytes`. A single
// one goes without a copy, whose wide loads would wait for what has just been written.
template <int T, typename F>
inline void for_blocks(const MicroArgs& given, std::int64_t bytes, F f) {
  if (given.count <= kBlockK) return f(given);
  MicroArgs args = given;
  for (std::int64_t left = given.count; left > 0; left -= kBlockK) {
    args.count = std::min<std::int64_t>(left, kBlockK);
    f(args);
    args.weights += bytes;
    args.next += args.next_in_order ? T * bytes : bytes;
    args.x += args.block_stride;
    args.first = false;
  }
}

// The microkernels of a kind, for up to `rows` rows and 1, 2, 4 or (of one row) 8 tiles, as far as rows *
// tiles <= sums and tiles <= most_tiles.
constexpr int kMostTiles = 8;
struct MicroSet {
  Micro by_log_tiles[4];
};
struct Micros {
  const MicroSet* by_rows = nullptr;  // null: there are none
  int rows = 0, sums = 0, most_tiles = kMostTiles;

  Micro find(std::int64_t count, int tiles) const {
    return by_rows[count - 1].by_log_tiles[std::countr_zero(static_cast<unsigned>(tiles))];
  }
  int max_tiles(std::int64_t count) const {
    const int fit = count == 1 && sums >= 8 ? 8 : 4 * count <= sums ? 4 : 2 * count <= sums ? 2 : 1;
    return std::min(fit, most_tiles);
  }
};

template <template <int, int> class Kernel, int MR, int T, int sums, int most_tiles>
constexpr Micro micro_or_null() {
  if constexpr (MR * T <= sums && T <= most_tiles && (T <= 4 || MR == 1)) {
    return Kernel<MR, T>::run;
  } else {
    return nullptr;
  }
}
template <template <int, int> class Kernel, int sums, int most_tiles, int... R>
constexpr std::array<MicroSet, sizeof...(R)> micro_sets(std::integer_sequence<int, R...>) {
  return {MicroSet{{micro_or_null<Kernel, R + 1, 1, sums, most_tiles>(), micro_or_null<Kernel, R + 1, 2, sums, most_tiles>(),
                    micro_or_null<Kernel, R + 1, 4, sums, most_tiles>(), micro_or_null<Kernel, R + 1, 8, sums, most_tiles>()}}...};
}
template <template <int, int> class Kernel, int rows, int sums, int most_tiles>
constexpr auto kMicroSets = micro_sets<Kernel, sums, most_tiles>(std::make_integer_sequence<int, rows>());
template <template <int, int> class Kernel, int rows = kMicroRows, int sums = kSumVecs, int most_tiles = kMostTiles>
constexpr Micros kMicros = {kMicroSets<Kernel, rows, sums, most_tiles>.data(), rows, sums, most_tiles};

// A place in a tile's weights that is ahead of the kernel: behind the tile's end comes the tile that is T tiles on. Its constructor
// and those of its users are always inline: a call that takes the arguments' address would keep a kernel's copy of them in memory.
class Cursor {
 public:
  // jumps: at the end of the tile.
  __attribute__((always_inline)) Cursor(const MicroArgs& args, const std::byte* at, bool jumps)
      : at_(at), end_(jumps && args.end != nullptr ? args.end : nowhere()), jump_(args.jump) {
    advance(0);
  }
  const std::byte* at() const { return at_; }
  __attribute__((always_inline)) void advance(std::int64_t bytes) {
    at_ += bytes;
    if (at_ < end_) return;
    at_ += jump_;
    end_ = nowhere();
  }

 private:
  static const std::byte* nowhere() { return reinterpret_cast<const std::byte*>(UINTPTR_MAX); }
  const std::byte *at_, *end_;
  std::int64_t jump_;
};

// Few rows read the weights at the speed of memory. Where several tiles are read side by side each line is asked for twice,
// beside the loads and as evenly as they come, from afar and from nearby: the first request may have been dropped, for all the
// others that were under way. "Afar" is what comes after all these tiles where that is fetched in order, into the second-level
// cache. Processors that read four streams fastest want one request, from nearby.
constexpr std::int64_t kNearBytes = 1024, kFarBytes = 2048, kOnceBytes = 512;
template <bool few, int T>
class Ahead {
 public:
  // `weights`: where the kernel begins, in the first tile, of which it reads about `pitch` bytes at a time.
  __attribute__((always_inline)) Ahead(const MicroArgs& args, const std::byte* weights, std::int64_t pitch,
                                       std::int64_t near = kNearBytes, std::int64_t far = kFarBytes)
      : near_(args, weights + (args.fetch_once ? kOnceBytes : near), true),
        far_(args, args.next_in_order ? args.next : weights + far, !args.next_in_order),
        stride_(args.tile_stride),
        far_stride_(args.next_in_order ? pitch : args.tile_stride),
        far_steps_(args.next_in_order ? T : 1),
        in_order_(args.next_in_order),
        once_(args.fetch_once) {}
  // The lines `at` bytes on in tile t. Always inline: a compiler may take a function of fetches alone for one without effect.
  __attribute__((always_inline)) void fetch(int t, std::int64_t at) const {
    if constexpr (on) {
      _mm_prefetch(near_.at() + t * stride_ + at, _MM_HINT_T0);
      if (once_) return;
      if (in_order_) {
        _mm_prefetch(far_.at() + t * far_stride_ + at, _MM_HINT_T1);
      } else {
        _mm_prefetch(far_.at() + t * far_stride_ + at, _MM_HINT_T0);
      }
    }
  }
  __attribute__((always_inline)) void advance(std::int64_t bytes) {
    if constexpr (on) {
      near_.advance(bytes);
      far_.advance(far_steps_ * bytes);
    }
  }

 private:
  static constexpr bool on = few && T > 1;
  Cursor near_, far_;
  std::int64_t stride_, far_stride_, far_steps_;
  bool in_order_, once_;
};

// Many rows take their time over a block: in each of its `steps` steps a microkernel fetches a part of what
// comes next, evenly, for a burst of fetches would hold up the loads behind it.
template <bool on, int T>
class NextWeights {
 public:
  __attribute__((always_inline)) NextWeights(const MicroArgs& args, std::int64_t steps)
      : next_(args, args.next, !args.next_in_order),
        step_((args.next_share + steps - 1) / steps),
        stride_(args.next_in_order ? step_ : args.next_stride),
        advance_(args.next_in_order ? T * step_ : step_) {}
  void fetch() {
    if constexpr (on) {
      const std::byte *line = next_.at(), *end = line + step_;
      do {
        fetch_line(line);
      } while ((line += 64) < end);
      next_.advance(advance_);
    }
  }

 private:
  void fetch_line(const std::byte* line) const {
    MOE_UNROLL
    for (int t = 0; t < T; ++t) _mm_prefetch(reinterpret_cast<const char*>(line + t * stride_), _MM_HINT_T1);
  }
  Cursor next_;
  std::int64_t step_, stride_, advance_;
};

// Scales of weights as they are stored, or widened for many rows, and how they are read.
inline Vec load_scales(const std::uint16_t* scales) { return load_f16(scales); }
inline Vec load_scales(const float* scales) { return load(scales); }

// So few rows of quants are multiplied at the speed of memory; more that take all of K fetch kNextQuantBytes ahead.
constexpr int kFewQuantRows = 3;
constexpr std::int64_t kNearQuantBytes = 512, kNextQuantBytes = 1024;
// Quants come from nearer, for there is more to do with a byte of them; by one row less than by some.
constexpr std::int64_t far_quant_bytes(int rows) { return rows == 1 ? 1024 : kFarBytes; }

// Quants are read group by group: f(weights, scales, x, inputs, g, ahead) with the first tile's and row's own of group g
// of a block, of which a row of x takes row_bytes; it fetches the lines of the group ahead. Whether scales are those among the
// quants or widened ones, the quants lie as in a tile.
template <int MR, int T, std::int64_t group_bytes, typename Scale, std::int64_t row_bytes = kBlockK, typename F>
inline __attribute__((always_inline)) void for_groups(const MicroArgs& args, F f) {
  const std::byte *weights = args.weights + kPairScaleBytes, *x = args.x;
  const auto* scales = static_cast<const Scale*>(args.scales);
  const InputGroups* inputs = args.groups;
  const std::int64_t groups = quant_groups(args.count);
  constexpr bool kFew = MR <= kFewQuantRows;
  // From the scales of a pair's second group to those of the next pair.
  constexpr std::int64_t kNextPair = std::is_same_v<Scale, float> ? kLanes : (kPairScaleBytes + 2 * group_bytes) / 2 - kLanes;
  NextWeights<!kFew, T> next(args, InputGroups::kGroups);
  Ahead<kFew, T> ahead(args, weights, group_bytes + kPairScaleBytes / 2, kNearQuantBytes, far_quant_bytes(MR));
  for (std::int64_t begin = 0; begin < groups; begin += InputGroups::kGroups) {
    const int count = static_cast<int>(std::min<std::int64_t>(groups - begin, InputGroups::kGroups));
    for (int at = 0; at < count; ++at) {
      next.fetch();
      const bool second = at % 2 != 0;
      if (!second) {
        MOE_UNROLL
        for (int t = 0; t < T; ++t) ahead.fetch(t, -kPairScaleBytes);
      }
      f(weights, scales, x, inputs, at, ahead);
      const std::int64_t step = group_bytes + (second ? kPairScaleBytes : 0);
      ahead.advance(step);
      weights += step;
      scales += second ? kNextPair : kLanes;
      x += row_bytes / InputGroups::kGroups;
    }
    x += args.block_stride - row_bytes;
    inputs += args.group_stride;
  }
}

// A kind of product: its microkernels, and where their operands lie.
struct Family {
  Micros direct;                // on the tiles as they are; none: every block is unpacked
  Micros unpacked;              // for many rows, on blocks that `unpack` made and widened scales; none: never
  std::int64_t unpacked_bytes;  // of a block of a tile; 0: the tile's own block will do
  std::int64_t (*offset)(std::int64_t k);  // of weight k in a tile, k a multiple of kBlockK
  void (*unpack)(const PackedMatrix& w, std::int64_t tile, std::int64_t k, std::int64_t count,
                 std::byte* out);
  std::int64_t chunk_rows;
  Micros widening = {};  // instead of `unpack`: on the tiles as they are, for the first panel; leave the block unpacked
  std::int64_t inputs = kBlockK;  // that a panel takes at once; whole blocks
  std::int64_t direct_rows = 0;  // up to which tiles are read as they are; 0: kDirectPanels panels
  // All panels but the last have as many rows as they can, where tiles are unpacked if they ever are; else nearly the same.
  bool whole_panels = false;
  void (*end)() = nullptr;    // called after a product, where there is something to put away
  // Where tiles are unpacked: a block of inputs in another form, made once for all tiles of a group, of so many bytes a row.
  std::int64_t input_bytes = 0;
  void (*rewrite)(const std::byte* x, std::int64_t row_bytes, std::int64_t rows, std::byte* out) = nullptr;
};

inline Vec activate(const Epilogue& epilogue, Vec gate, Vec up) {
  switch (epilogue.activation) {
    case Activation::silu:
      return silu_gate(gate, up);
    case Activation::gelu_tanh:
      return gelu_tanh_gate(gate, up);
    case Activation::clamped_swiglu:
      return clamped_swiglu_gate(gate, up, set1(epilogue.alpha), set1(epilogue.limit));
  }
  return gate;
}

// One product's operands, and the sums of the current chunk and group.
class Product {
 public:
  Product(const Family& family, const PackedMatrix& w, const InputRows& x, const Epilogue& epilogue, float* y,
          std::ptrdiff_t ldy)
      : family_(family), w_(w), x_(x), epilogue_(epilogue), y_(y), ldy_(ldy), streams_(streams()), side_by_side_(fastest_streams()) {}

  void run(std::int64_t n_begin, std::int64_t n_end) {
    n_end_ = n_end;
    const std::int64_t factor = gated() ? 2 : 1;
    const std::int64_t tile_begin = n_begin / kLanes * factor;
    tile_end_ = (n_end + kLanes - 1) / kLanes * factor;
    for (row_ = 0; row_ < x_.rows; row_ += rows_) {
      begin_chunk();
      std::int64_t tile = tile_begin;
      const int run = run_tiles();
      for (; run > 1 && tile + run * tiles_ <= tile_end_; tile += run * tiles_) group_of_runs(tile, run);
      for (; tile < tile_end_; tile += group_tiles_) group(tile, std::min<std::int64_t>(tile_end_, tile + group_tiles_));
    }
    if (streams_) _mm_sfence();
    if (family_.end != nullptr) family_.end();
  }

 private:
  // Outputs of which there are more are not kept in the caches: storing there would read each line before it is written.
  static constexpr std::int64_t kStreamedBytes = 1 << 20;

  // Whether all outputs go past the caches. Not where they are added to what is read from the same place.
  bool streams() const {
    return x_.rows * w_.outputs() * static_cast<std::int64_t>(sizeof(float)) > kStreamedBytes &&
           epilogue_.residual == nullptr && !epilogue_.read_soon && ldy_ % kLanes == 0 && reinterpret_cast<std::uintptr_t>(y_) % 64 == 0;
  }

  // As many panels of rows read tiles as they are, if they can; for more, blocks are unpacked once.
  static constexpr std::int64_t kDirectPanels = 2;
  static constexpr std::int64_t kGroupTiles = 16, kBlockScales = kBlockK / kQuantGroup * kLanes;

  // The most tiles that the chunk reads side by side. Few rows take as many as memory is read fastest in: more rows of floats than
  // one keep a single tile's sums waiting for each other.
  int most_streams() const {
    const bool few = rows_ <= (x_.compute == Compute::int8 ? kFewQuantRows : 1) && !unpack_;
    return few ? side_by_side_ : kMostTiles;
  }

  bool gated() const { return w_.order() == RowOrder::gate_up; }

  // Chunks of nearly equal size, and panels too but for families of whole ones, so that none is left with a few rows.
  void begin_chunk() {
    const std::int64_t left = x_.rows - row_;
    const std::int64_t chunks = (left + family_.chunk_rows - 1) / family_.chunk_rows;
    rows_ = (left + chunks - 1) / chunks;
    micros_ = &family_.direct;
    const std::int64_t direct = family_.direct_rows > 0 ? family_.direct_rows : kDirectPanels * micros_->rows;
    unpack_ = micros_->by_rows == nullptr || (family_.unpacked.by_rows != nullptr && rows_ > direct);
    if (unpack_) micros_ = &family_.unpacked;
    const std::int64_t most = micros_->rows;
    if (chunks > 1) rows_ = (rows_ + most - 1) / most * most;
    panels_ = (rows_ + most - 1) / most;
    whole_panels_ = family_.whole_panels && (unpack_ || family_.unpacked.by_rows == nullptr);
    tiles_ = std::min(most_streams(), micros_->max_tiles(panels_ > 1 && whole_panels_ ? most : (rows_ + panels_ - 1) / panels_));
    // A single panel takes all of K for a few tiles, whose sums leave L1 to its rows; the sums of few rows are small, and
    // more tiles are finished together.
    group_tiles_ = panels_ == 1 && (unpack_ || rows_ > kFewQuantRows) ? std::max(tiles_, 2) : kGroupTiles;
    static thread_local Scratch scratch;
    const std::int64_t sums = group_tiles_ * rows_ * kLanes;
    const std::int64_t scales = unpack_ && x_.compute == Compute::int8 ? tiles_ * kBlockScales : 0;
    rewrite_ = unpack_ && family_.rewrite != nullptr;
    const std::int64_t inputs = rewrite_ ? rows_ * family_.input_bytes : 0;
    sums_ = scratch.floats(sums + scales + (inputs + tiles_ * family_.unpacked_bytes) / 4);
    wide_scales_ = sums_ + sums;
    inputs_ = reinterpret_cast<std::byte*>(wide_scales_ + scales);
    blocks_ = inputs_ + inputs;
  }

  void group(std::int64_t begin, std::int64_t end) {
    if (w_.cols() == 0) {
      std::fill_n(sums_, (end - begin) * rows_ * kLanes, 0.0F);
      for (std::int64_t t = 0; t < end - begin; ++t) slots_[t] = {sums_ + t * rows_ * kLanes, kLanes};
    }
    const std::int64_t step = unpack_ ? kBlockK : panels_ == 1 ? w_.cols() : family_.inputs;
    for (std::int64_t k = 0; k < w_.cols(); k += step) {
      if (rewrite_) family_.rewrite(x_.block(k / kBlockK, row_), x_.row_bytes, rows_, inputs_);
      for (std::int64_t tile = begin; tile < end;) {
        int tiles = tiles_;
        while (tiles > end - tile) tiles /= 2;
        if (panels_ > 1) {
          // The block that comes next: the following bundle's, or the next one of this group.
          const bool last = tile + tiles >= end;
          const std::int64_t next_tile = !last ? tile + tiles : k + step < w_.cols() ? begin : end;
          const std::int64_t next_k = !last ? k : k + step < w_.cols() ? k + step : 0;
          plan_fetches(next_tile < tile_end_ ? next_tile : tile, next_k, step);
        } else {
          next_ = weights(tile, k) + (x_.compute == Compute::int8 ? kNextQuantBytes : kFarBytes);
          share_ = bytes_of(0, kBlockK);
        }
        to_next_ = tiles;
        bundle(tile, tile - begin, tiles, k, std::min(step, w_.cols() - k));
        tile += tiles;
      }
    }
    for (std::int64_t r = 0; r < rows_; ++r) {
      if (panels_ == 1) fetch_outputs(begin, end, r + 4);
      if (gated()) {
        for (std::int64_t tile = begin; tile < end; tile += 2) finish_pair(tile, tile - begin, tile - begin + 1, r);
      } else {
        for (std::int64_t tile = begin; tile < end; ++tile) finish_tile(tile, tile - begin, r);
      }
    }
  }

  // Few rows read tiles side by side. Short ones end soon, and what comes next is found slowly: a run of as many neighbours then
  // takes the place of each. 1: a tile is long enough, or it does not matter.
  int run_tiles() const {
    constexpr std::int64_t kRunBytes = 40 << 10;
    constexpr int kMostRun = 4;
    if (tiles_ == 1 || panels_ > 1 || unpack_ || rows_ > kFewQuantRows || w_.cols() == 0 || side_by_side_ == 1) return 1;
    int run = 1;
    while (run < kMostRun && 2 * run * w_.tile_stride() <= kRunBytes) run *= 2;
    return run;
  }

  // tiles_ runs side by side from tile `begin` on.
  void group_of_runs(std::int64_t begin, int run) {
    const int each = std::min(run, static_cast<int>(kGroupTiles) / tiles_);  // tiles of a run that are finished together
    apart_ = run;
    for (int at = 0; at < run; at += each) {
      for (int i = 0; i < each; ++i) {
        const std::int64_t tile = begin + at + i;
        next_ = weights(tile, 0);
        to_next_ = at + i + 1 < run ? 1 : run * (tiles_ - 1) + 1;
        bundle(tile, i * tiles_, tiles_, 0, w_.cols());
      }
      for (std::int64_t r = 0; r < rows_; ++r) {
        for (int s = 0; s < tiles_; ++s) {
          for (int i = 0; i < each; i += gated() ? 2 : 1) {
            const std::int64_t tile = begin + at + i + s * run, slot = i * tiles_ + s;
            gated() ? finish_pair(tile, slot, slot + tiles_, r) : finish_tile(tile, slot, r);
          }
        }
      }
    }
    apart_ = 1;
  }

  // Rows of y lie far from each other: the lines that will be written are asked for some rows ahead.
  void fetch_outputs(std::int64_t begin, std::int64_t end, std::int64_t r) const {
    if (r >= rows_ || streams_) return;
    const std::int64_t factor = gated() ? 2 : 1;
    const float* y = y_ + (row_ + r) * ldy_ + begin / factor * kLanes;
    for (std::int64_t at = 0; at < (end - begin) / factor * kLanes; at += kLanes)
      __builtin_prefetch(y + at, 1);
  }

  // The chunk's row that a panel begins with.
  std::int64_t panel_begin(std::int64_t panel) const {
    return whole_panels_ ? std::min(panel * micros_->rows, rows_) : rows_ * panel / panels_;
  }

  const std::byte* weights(std::int64_t tile, std::int64_t k) const {
    return w_.tile(tile) + family_.offset(k);
  }

  // `tiles` tiles, `apart_` from each other, times all rows of the chunk, over `count` inputs from k on; to the group's sums from
  // `slot` on.
  void bundle(std::int64_t tile, std::int64_t slot, int tiles, std::int64_t k, std::int64_t count) {
    MicroArgs args;
    args.count = count;
    args.weights = weights(tile, k);
    args.tile_stride = apart_ * w_.tile_stride();
    args.scales = args.weights;
    args.scale_stride = args.tile_stride / 2;
    args.first = k == 0;
    args.row_bytes = x_.row_bytes;
    args.block_stride = x_.block_stride;
    args.next_stride = w_.tile_stride();
    args.next_share = panels_ == 1 ? share_ : share_ * kBlockK / count;  // a short block has fewer steps
    const bool whole = count == w_.cols() && panels_ == 1;  // all of K, of all rows
    args.end = whole ? w_.tile(tile) + w_.tile_bytes() : nullptr;
    args.jump = to_next_ * w_.tile_stride() - w_.tile_bytes();
    args.next_in_order = whole && tile + tiles < tile_end_ && side_by_side_ == 1;
    args.fetch_once = side_by_side_ == 4;
    args.group_stride = x_.group_stride;
    args.widened = reinterpret_cast<float*>(blocks_);
    const bool widen = unpack_ && family_.widening.by_rows != nullptr;
    if (unpack_ && !widen) unpack(tile, tiles, k, args);
    for (int t = 0; t < tiles; ++t) {
      slots_[slot + t] = {sums_ + (slot * rows_ + t) * kLanes, tiles * kLanes};
    }
    const std::int64_t block = k / kBlockK;
    for (std::int64_t panel = 0; panel < panels_; ++panel) {
      const std::int64_t row = panel_begin(panel), rows = panel_begin(panel + 1) - row;
      args.x = rewrite_ ? inputs_ + row * family_.input_bytes : x_.block(block, row_ + row);
      args.groups = x_.groups == nullptr ? nullptr : x_.group_block(block, row_ + row);
      args.sums = sums_ + (slot * rows_ + row * tiles) * kLanes;
      args.next = args.next_in_order ? weights(tile + tiles, 0) : next_ + panel * share_;
      if (panels_ > 1 && k + count == w_.cols()) {
        for (std::int64_t r = row; r < row + rows; ++r) fetch_outputs(tile, tile + tiles, r);
      }
      const bool widens = widen && panel == 0;
      (widens ? family_.widening : *micros_).find(rows, tiles)(args);
      if (widens) read_blocks(args);
    }
  }

  void read_blocks(MicroArgs& args) const {
    args.weights = blocks_;
    args.tile_stride = family_.unpacked_bytes;
    args.end = nullptr;  // blocks are read from the caches
    args.next_in_order = false;
  }

  void unpack(std::int64_t tile, int tiles, std::int64_t k, MicroArgs& args) const {
    if (family_.unpacked_bytes > 0) {
      for (int t = 0; t < tiles; ++t) {
        family_.unpack(w_, tile + t, k, args.count, blocks_ + t * family_.unpacked_bytes);
      }
      read_blocks(args);
    }
    if (x_.compute != Compute::int8) return;
    for (int t = 0; t < tiles; ++t) {
      for (std::int64_t g = 0; g < quant_groups(args.count); ++g) {
        store(wide_scales_ + t * kBlockScales + g * kLanes, load_f16(group_scales(w_.type(), weights(tile + t, k), g)));
      }
    }
    args.scales = wide_scales_;
    args.scale_stride = kBlockScales;
  }

  // The blocks of the bundle that comes next are fetched in equal parts during the panels.
  void plan_fetches(std::int64_t tile, std::int64_t k, std::int64_t count) {
    next_ = weights(tile, k);
    share_ = (bytes_of(k, count) / panels_ + 63) / 64 * 64;
  }
  // Of a tile's weights over `count` inputs from k on, or as many as there are.
  std::int64_t bytes_of(std::int64_t k, std::int64_t count) const {
    return family_.offset(kBlockK) * std::min(count, w_.cols() - k) / kBlockK;
  }

  Vec sum(std::int64_t slot, std::int64_t r) const { return load(slots_[slot].first + r * slots_[slot].stride); }

  Vec with_bias(std::int64_t row, Vec v) const {
    if (epilogue_.bias == nullptr) return v;
    // A bias may end within the last tile; for gate rows what follows is another's bias and goes unused.
    const std::int64_t left = w_.rows() - row;
    return add(v, left >= kLanes ? load(epilogue_.bias + row) : load_partial(epilogue_.bias + row, left));
  }
  void finish_tile(std::int64_t tile, std::int64_t slot, std::int64_t r) const {
    finish(tile * kLanes, r, with_bias(tile * kLanes, sum(slot, r)));
  }
  // A tile of gates and the one of their inputs.
  void finish_pair(std::int64_t tile, std::int64_t gates, std::int64_t inputs, std::int64_t r) const {
    const std::int64_t n = tile / 2 * kLanes;
    finish(n, r, activate(epilogue_, with_bias(n, sum(gates, r)), with_bias(w_.outputs() + n, sum(inputs, r))));
  }

  // Outputs n and on of row r of the chunk.
  void finish(std::int64_t n, std::int64_t r, Vec v) const {
    float* y = y_ + (row_ + r) * ldy_ + n;
    const float* residual = epilogue_.residual == nullptr
                                ? nullptr
                                : epilogue_.residual + (row_ + r) * epilogue_.residual_stride + n;
    if (const std::int64_t left = n_end_ - n; left < kLanes) {
      if (residual != nullptr) v = add(load_partial(residual, left), v);
      return store_partial(y, v, left);
    }
    if (streams_) return stream(y, v);
    if (residual != nullptr) v = add(load(residual), v);
    store(y, v);
  }

  const Family& family_;
  const PackedMatrix& w_;
  const InputRows& x_;
  const Epilogue& epilogue_;
  float* y_;
  std::ptrdiff_t ldy_;
  bool streams_;
  int side_by_side_;  // tiles that few rows read, at most
  std::int64_t n_end_ = 0, tile_end_ = 0;
  // The current chunk and group.
  std::int64_t row_ = 0, rows_ = 0, panels_ = 0, group_tiles_ = 0;
  int tiles_ = 1;              // of a bundle
  std::int64_t apart_ = 1;     // tiles from one of a bundle to the next one
  std::int64_t to_next_ = 1;   // tiles from one of a bundle to the one that is read after it
  const Micros* micros_ = nullptr;
  bool unpack_ = false, whole_panels_ = false, rewrite_ = false;
  // Of the bundle that comes next: its blocks, and how much of each a panel fetches.
  const std::byte* next_ = nullptr;
  std::int64_t share_ = 0;
  float* sums_ = nullptr;        // [bundle of the group][row of the chunk][tile of the bundle][16]
  // Of a tile of the group.
  struct Sums {
    float* first;         // of row 0
    std::int64_t stride;  // from row to row
  };
  Sums slots_[kGroupTiles];
  float* wide_scales_ = nullptr;  // [tile of the bundle][group of the block][16]
  std::byte* inputs_ = nullptr;   // of the block, rewritten [row of the chunk]
  std::byte* blocks_ = nullptr;   // unpacked
};

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
