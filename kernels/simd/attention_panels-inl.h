// The two products of attention, register-blocked: scores of a panel of query rows with one block of keys,
// and their weighted sums of its values. Included inside a target region; see target.h.
//
// What is multiplied depends on the type of the cache. A "tile" is 16 positions of keys (summed over
// components) or 16 components of values (summed over positions), two neighbours of the summed dimension a
// pair.

namespace moe::kernels::MOE_SIMD {
namespace {

// The 16 numbers of the first and the second element of a pair, widened exactly.
template <KvType T>
struct Stored;
template <>
struct Stored<KvType::f32> {
  static constexpr std::int64_t kPairBytes = 2 * kLanes * 4;
  static Vec even(const std::byte* pair) { return load(reinterpret_cast<const float*>(pair)); }
  static Vec odd(const std::byte* pair) { return load(reinterpret_cast<const float*>(pair) + kLanes); }
};
template <>
struct Stored<KvType::bf16> {
  static constexpr std::int64_t kPairBytes = 2 * kLanes * 2;
  static Vec even(const std::byte* pair) {
    return load_bf16_even(reinterpret_cast<const std::uint16_t*>(pair));
  }
  static Vec odd(const std::byte* pair) {
    return load_bf16_odd(reinterpret_cast<const std::uint16_t*>(pair));
  }
};
template <>
struct Stored<KvType::q8> {
  static constexpr std::int64_t kPairBytes = 2 * kLanes;
  static Vec even(const std::byte* pair) { return load_i8(reinterpret_cast<const std::int8_t*>(pair)); }
  static Vec odd(const std::byte* pair) {
    return load_i8(reinterpret_cast<const std::int8_t*>(pair) + kLanes);
  }
};

// Slots of one block that an item sees.
struct Slots {
  int begin, end;
  bool whole() const { return begin == 0 && end == kKvBlock; }
};

// Tiles a panel of MR rows takes at once: a power of two.
constexpr int panel_tiles(int rows, int most) {
  int tiles = 1;
  while (2 * tiles <= most && 2 * tiles * rows <= kPanelSums) tiles *= 2;
  return tiles;
}

template <int MR, int T>
using Sums = Vec[T][MR];

// sums[t][r] <- fma(w[t], x[r][at], sums[t][r]).
template <int MR, int T>
inline __attribute__((always_inline)) void add_products(Sums<MR, T>& sums, Vec (&w)[T],
                                                        const PanelRows<float, MR>& x, int at) {
  if constexpr (MR > 1) {
    MOE_UNROLL
    for (int t = 0; t < T; ++t) keep_order(w[t]);  // else each use would load it again
  }
  MOE_UNROLL
  for (int r = 0; r < MR; ++r) {
    Vec input = set1(x.row(r)[at]);
    if constexpr (T > 1) keep_order(input);
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      sums[t][r] = fma(w[t], input, sums[t][r]);
      keep_order(sums[t][r]);
    }
  }
}

template <KvType S>
inline Vec stored_at(const std::byte* tile, std::int64_t i) {
  const std::byte* pair = tile + i / 2 * Stored<S>::kPairBytes;
  return i % 2 == 0 ? Stored<S>::even(pair) : Stored<S>::odd(pair);
}

// The block that comes next, asked for line by line while one is walked over: a burst would fill the few buffers of
// lines on their way and hold up the loads. Several pages at once arrive sooner than one after the other; less than a page
// ends before the processor has seen where it leads.
struct NextBlock {
  const char* at;
  int streams = 1;          // 1, 2 or 4
  std::int64_t stream = 0;  // bytes of each
  std::int64_t step = 0;    // bytes of each from fetch to fetch; 0: all has been asked for

  static NextBlock of(const std::byte* block, std::int64_t bytes, std::int64_t steps) {
    constexpr std::int64_t kPage = 4096;
    NextBlock next{reinterpret_cast<const char*>(block)};
    next.streams = bytes >= 4 * kPage ? 4 : bytes >= 2 * kPage ? 2 : 1;
    next.stream = (bytes / next.streams + 63) / 64 * 64;
    next.step = (next.stream + steps - 1) / steps;
    return next;
  }

  template <KvType S, int MR>
  void fetch(const std::byte*) {
    if (step == 0) return;
    for (const char *line = at, *end = at + step; line < end; line += 64) fetch_lines(line);
    at += step;
  }
  void stop() { step = 0; }

 private:
  void fetch_lines(const char* line) const {
    _mm_prefetch(line, _MM_HINT_T0);
    if (streams == 1) return;
    _mm_prefetch(line + stream, _MM_HINT_T0);
    if (streams == 2) return;
    _mm_prefetch(line + 2 * stream, _MM_HINT_T0);
    _mm_prefetch(line + 3 * stream, _MM_HINT_T0);
  }
};

// Memory in one stream: the processor fetches what lies ahead by itself, but while there is much to compute with a line it
// falls behind.
struct Stream {
  template <KvType S, int MR>
  __attribute__((always_inline)) void fetch(const std::byte* pair) const {
    if constexpr (S == KvType::bf16 && MR >= 4) _mm_prefetch(reinterpret_cast<const char*>(pair + 8192), _MM_HINT_T1);
    if constexpr (S == KvType::q8) _mm_prefetch(reinterpret_cast<const char*>(pair + 2048), _MM_HINT_T0);
  }
};

// In what order a panel walks over tiles: several side by side, which leaves less to load and to wait for, or one after the
// other, where memory is read fastest in one stream of ascending addresses.
enum class Walk : std::uint8_t { side_by_side, in_order };

template <Walk walk>
inline decltype(auto) fetches_of(NextBlock& next) {
  if constexpr (walk == Walk::side_by_side) {
    return (next);
  } else {
    return Stream();
  }
}

// sums[t][r] <- chain over i in [begin, end) of fma(w[i] of tile t, x[r * ldx + i], sums).
template <KvType S, int MR, int T, typename Next>
inline __attribute__((always_inline)) void accumulate(Sums<MR, T>& sums, const std::byte* tiles,
                                                      std::int64_t tile_bytes, Next&& next,
                                                      const float* from, std::int64_t ldx,
                                                      std::int64_t begin, std::int64_t end) {
  PanelRows<float, MR> x(from + begin, ldx);
  Vec w[T];
  if (begin % 2 != 0 && begin < end) {
    MOE_UNROLL
    for (int t = 0; t < T; ++t) w[t] = stored_at<S>(tiles + t * tile_bytes, begin);
    add_products<MR, T>(sums, w, x, 0);
    x.advance(1);
    ++begin;
  }
  const std::byte* pair = tiles + begin / 2 * Stored<S>::kPairBytes;
  for (std::int64_t left = (end - begin) / 2; left > 0; --left) {
    next.template fetch<S, MR>(pair);
    MOE_UNROLL
    for (int t = 0; t < T; ++t) w[t] = Stored<S>::even(pair + t * tile_bytes);
    add_products<MR, T>(sums, w, x, 0);
    MOE_UNROLL
    for (int t = 0; t < T; ++t) w[t] = Stored<S>::odd(pair + t * tile_bytes);
    add_products<MR, T>(sums, w, x, 1);
    pair += Stored<S>::kPairBytes;
    x.advance(2);
  }
  if (begin < end && (end - begin) % 2 != 0) {
    MOE_UNROLL
    for (int t = 0; t < T; ++t) w[t] = Stored<S>::even(pair + t * tile_bytes);
    add_products<MR, T>(sums, w, x, 0);
  }
}

#if defined(MOE_BF16_DOT)
// One pair of every row and tile; `kept` masks the bits of a pair that count.
template <int MR, int T>
inline __attribute__((always_inline)) void add_dots(Sums<MR, T>& sums, const std::byte* pair,
                                                    std::int64_t tile_bytes,
                                                    const PanelRows<std::uint16_t, MR>& x,
                                                    std::uint32_t kept) {
  __m512i w[T];
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    w[t] = _mm512_loadu_si512(pair + t * tile_bytes);
    if (kept != ~0U) w[t] = _mm512_and_si512(w[t], _mm512_set1_epi32(static_cast<int>(kept)));
    if constexpr (MR > 1) MOE_KEEP_ZMM(w[t]);
  }
  MOE_UNROLL
  for (int r = 0; r < MR; ++r) {
    __m512i input = _mm512_set1_epi32(static_cast<int>(load_unaligned<std::uint32_t>(x.row(r)) & kept));
    if constexpr (T > 1) MOE_KEEP_ZMM(input);
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      sums[t][r] = dot_bf16(sums[t][r], w[t], input);
      keep_order(sums[t][r]);
    }
  }
}

// The same with pairs of bf16 multiplied and added by one instruction. Elements outside [begin, end) may be
// garbage on both sides.
template <KvType S, int MR, int T, typename Next>
inline __attribute__((always_inline)) void accumulate(Sums<MR, T>& sums, const std::byte* tiles,
                                                      std::int64_t tile_bytes, Next&& next,
                                                      const std::uint16_t* from, std::int64_t ldx,
                                                      std::int64_t begin, std::int64_t end) {
  static_assert(S == KvType::bf16);
  if (begin >= end) return;
  PanelRows<std::uint16_t, MR> x(from + begin / 2 * 2, ldx);
  const std::byte* pair = tiles + begin / 2 * Stored<S>::kPairBytes;
  if (begin % 2 != 0) {
    add_dots<MR, T>(sums, pair, tile_bytes, x, 0xFFFF0000U);
    pair += Stored<S>::kPairBytes;
    x.advance(2);
    ++begin;
  }
  for (std::int64_t left = (end - begin) / 2; left > 0; --left) {
    next.template fetch<S, MR>(pair);
    add_dots<MR, T>(sums, pair, tile_bytes, x, ~0U);
    pair += Stored<S>::kPairBytes;
    x.advance(2);
  }
  if (begin < end && end % 2 != 0) add_dots<MR, T>(sums, pair, tile_bytes, x, 0x0000FFFFU);
}
#endif

// How rows meet tiles of a type: as floats, or as bf16 where the table multiplies those.
#if defined(MOE_BF16_DOT) || defined(MOE_AMX)
template <KvType T>
using Input = std::conditional_t<T == KvType::bf16, std::uint16_t, float>;
#else
template <KvType T>
using Input = float;
#endif

// Stores v rounded to bf16, as floats or as bf16, and returns it.
inline Vec store_rounded(float* p, Vec v) {
  const Vec rounded = round_bf16(v);
  store(p, rounded);
  return rounded;
}

// scores[r][32] = q . k for one block, q at rows of ldq.
template <KvType S, Walk walk, int MR>
void score_panel(const std::byte* keys, NextBlock& next, const Input<S>* q, std::int64_t ldq, std::int64_t d_k,
                 float* scores) {
  constexpr int T = walk == Walk::in_order ? 1 : panel_tiles(MR, 2);
  const std::byte* tiles = keys + (S == KvType::q8 ? kKvScaleBytes : 0);
  const std::int64_t pairs = S == KvType::bf16 ? (d_k + 1) / 2 : 0;
  const std::int64_t tile_bytes =
      S == KvType::bf16 ? pairs * Stored<S>::kPairBytes : d_k * Stored<S>::kPairBytes / 2;
  for (int first = 0; first < 2; first += T) {
    Sums<MR, T> sums;
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) sums[t][r] = zero();
    }
    accumulate<S, MR, T>(sums, tiles + first * tile_bytes, tile_bytes, fetches_of<walk>(next), q, ldq, 0, d_k);
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) {
        float* to = scores + r * kKvBlock + (first + t) * kLanes;
        if constexpr (S == KvType::q8) {
          store(to, mul(sums[t][r], load(reinterpret_cast<const float*>(keys) + (first + t) * kLanes)));
        } else {
          store(to, sums[t][r]);
        }
      }
    }
  }
}

// o[r] <- o[r] * alpha[r] + sum over slots [begin, end) of p[r][slot] * v[slot], for T tiles of components.
template <KvType S, int MR, int T, typename Next>
inline void weigh_tiles(const std::byte* tiles, Next&& next, const Input<S>* p, const float* alpha,
                        int begin, int end, float* o, std::int64_t ldo) {
  Sums<MR, T> sums;
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) sums[t][r] = mul(load(o + r * ldo + t * kLanes), set1(alpha[r]));
  }
  accumulate<S, MR, T>(sums, tiles, kKvBlock / 2 * Stored<S>::kPairBytes, next, p, kKvBlock, begin, end);
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) store(o + r * ldo + t * kLanes, sums[t][r]);
  }
}
// The same for `count` tiles of components: T at once, what is left half as many at once, and so on.
template <KvType S, int MR, int T, typename Next>
inline void weigh_all(const std::byte* tiles, std::int64_t count, Next&& next, const Input<S>* p,
                      const float* alpha, int begin, int end, float* o, std::int64_t ldo) {
  constexpr std::int64_t kTileBytes = kKvBlock / 2 * Stored<S>::kPairBytes;
  for (; count >= T; count -= T, tiles += T * kTileBytes, o += T * kLanes) {
    weigh_tiles<S, MR, T>(tiles, next, p, alpha, begin, end, o, ldo);
  }
  if constexpr (T > 1) weigh_all<S, MR, T / 2>(tiles, count, next, p, alpha, begin, end, o, ldo);
}

template <KvType S, Walk walk, int MR>
void weigh_panel(const std::byte* values, NextBlock& next, const Input<S>* p, const float* alpha,
                 int begin, int end, float* o, std::int64_t ldo) {
  const std::byte* tiles = values + (S == KvType::q8 ? kKvScaleBytes : 0);
  constexpr int T = walk == Walk::in_order ? 1 : panel_tiles(MR, 8);
  weigh_all<S, MR, T>(tiles, ldo / kLanes, fetches_of<walk>(next), p, alpha, begin, end, o, ldo);
}

template <KvType S>
using ScorePanel = void (*)(const std::byte*, NextBlock&, const Input<S>*, std::int64_t, std::int64_t,
                            float*);
template <KvType S>
using WeighPanel = void (*)(const std::byte*, NextBlock&, const Input<S>*, const float*, int, int, float*,
                            std::int64_t);
template <KvType S, Walk walk, int... R>
constexpr std::array<ScorePanel<S>, kPanelRows> score_panels(std::integer_sequence<int, R...>) {
  return {score_panel<S, walk, R + 1>...};
}
template <KvType S, Walk walk, int... R>
constexpr std::array<WeighPanel<S>, kPanelRows> weigh_panels(std::integer_sequence<int, R...>) {
  return {weigh_panel<S, walk, R + 1>...};
}
// For panels of 1, 2 and so on rows.
template <KvType S, Walk walk>
constexpr auto kScorePanels = score_panels<S, walk>(std::make_integer_sequence<int, kPanelRows>());
template <KvType S, Walk walk>
constexpr auto kWeighPanels = weigh_panels<S, walk>(std::make_integer_sequence<int, kPanelRows>());

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
