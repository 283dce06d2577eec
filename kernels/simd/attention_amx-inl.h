// The two products of attention in bf16 by the tile instructions of AMX: keys and values of a block lie as those take them.
// Included inside a target region; see target.h.
//
// Scores are sums of a query and a key over steps of 32 components, as products are (kernels/numerics.h). The values of a block
// are one step: o <- fma(o, alpha, its sum). Slots that an item does not see have weight +0 in it, whoever else sees them.

namespace moe::kernels::MOE_SIMD {
namespace {

// Rows of a panel.
inline constexpr int kTilePanelRows = kHalfRows;

// One step's worth of fetches of the block that comes next.
inline __attribute__((always_inline)) void fetch_step(NextBlock& next) {
  MOE_UNROLL
  for (int pair = 0; pair < kTileLines; ++pair) next.template fetch<KvType::bf16, 1>(nullptr);
}

// scores[r][32] = q . k for one block, q at rows of ldq.
inline void score_tiles(const std::byte* keys, NextBlock& next, const std::uint16_t* q, std::int64_t ldq, std::int64_t d_k,
                        int rows, float* scores) {
  shape_tiles({static_cast<std::uint8_t>(rows), 0});
  tile_zero<kSums>();
  tile_zero<kSums + 1>();
  const std::int64_t half_bytes = (d_k + 1) / 2 * kTileBytes;
  const auto step = [&](const std::uint16_t* from, std::int64_t from_bytes, const std::byte* low, const std::byte* high)
                        __attribute__((always_inline)) {
    tile_load<kInputs>(from, from_bytes);
    tile_load<kWeights>(low, kTileBytes);
    tile_dot_bf16<kSums, kInputs, kWeights>();
    tile_load<kWeights + 1>(high, kTileBytes);
    tile_dot_bf16<kSums + 1, kInputs, kWeights + 1>();
  };
  std::int64_t d = 0;
  for (; d + kStepInputs <= d_k; d += kStepInputs) {
    fetch_step(next);
    const std::byte* low = keys + d / 2 * kTileBytes;
    step(q + d, ldq * 2, low, low + half_bytes);
  }
  if (d < d_k) {  // neither keys nor queries go on as zeros
    fetch_step(next);
    alignas(64) std::byte padded[2][kStepBytes];
    alignas(64) std::uint16_t inputs[kTileLines][kStepInputs] = {};
    for (int half = 0; half < 2; ++half) pad_step(keys + half * half_bytes + d / 2 * kTileBytes, d_k - d, padded[half]);
    for (int r = 0; r < rows; ++r) std::copy_n(q + r * ldq + d, d_k - d, inputs[r]);
    step(inputs[0], kTileBytes, padded[0], padded[1]);
  }
  tile_store<kSums>(scores, kKvBlock * 4);
  tile_store<kSums + 1>(scores + kLanes, kKvBlock * 4);
}

// o[r] <- fma(o[r], alpha[r], sum over all slots of p[r][slot] * v[slot]).
inline void weigh_tiles(const std::byte* values, NextBlock& next, const std::uint16_t* p, const float* alpha, int rows, float* o,
                        std::int64_t d_v) {
  constexpr std::int64_t kTogether = 4, kPart = 2 * kTogether * kLanes;  // components that are made before they are added
  alignas(64) float made[kTileLines * kPart];
  shape_tiles({static_cast<std::uint8_t>(rows), 0});
  tile_load<kInputs>(p, kTileBytes);
  for (std::int64_t begin = 0; begin < d_v; begin += kPart) {
    const std::int64_t end = std::min(d_v, begin + kPart);
    for (std::int64_t d = begin; d < end; d += kTogether * kLanes) {
      fetch_step(next);
      const auto tile = [&]<int t>() __attribute__((always_inline)) {
        if (d + t * kLanes >= end) return;
        tile_load<kWeights + t % 2>(values + (d / kLanes + t) * kStepBytes, kTileBytes);
        tile_zero<kSums + t>();
        tile_dot_bf16<kSums + t, kInputs, kWeights + t % 2>();
        tile_store<kSums + t>(made + d - begin + t * kLanes, kPart * 4);
      };
      tile.template operator()<0>();
      tile.template operator()<1>();
      tile.template operator()<2>();
      tile.template operator()<3>();
    }
    for (int r = 0; r < rows; ++r) {
      const Vec factor = set1(alpha[r]);
      float* to = o + r * d_v + begin;
      for (std::int64_t d = 0; d < end - begin; d += kLanes) store(to + d, fma(load(to + d), factor, load(made + r * kPart + d)));
    }
  }
}

// Copies the values of slots [begin, end); zeros elsewhere.
inline void copy_values(const std::byte* values, std::int64_t d_v, int begin, int end, std::byte* out) {
  for (std::int64_t tile = 0; tile < d_v / kLanes; ++tile) {
    for (int pair = 0; pair < kKvBlock / 2; ++pair) {
      const std::int64_t at = tile * kStepBytes + pair * kTileBytes;
      const auto seen = [&](int slot) { return slot >= begin && slot < end; };
      const std::uint32_t kept = (seen(2 * pair) ? 0x0000FFFFU : 0U) | (seen(2 * pair + 1) ? 0xFFFF0000U : 0U);
      const __m512i mask = _mm512_set1_epi32(static_cast<int>(kept));
      _mm512_storeu_si512(out + at, _mm512_and_si512(_mm512_loadu_si512(values + at), mask));
    }
  }
}

inline bool all_finite(const std::byte* values, std::int64_t d_v) {
  const __m512i low = _mm512_set1_epi32(0x7F80), high = _mm512_set1_epi32(0x7F800000);
  __mmask16 found = 0;
  for (std::int64_t at = 0; at < d_v / kLanes * kStepBytes; at += kTileBytes) {
    const __m512i pair = _mm512_loadu_si512(values + at);
    found = static_cast<__mmask16>(found | _mm512_cmpeq_epi32_mask(_mm512_and_si512(pair, low), low) |
                                   _mm512_cmpeq_epi32_mask(_mm512_and_si512(pair, high), high));
  }
  return found == 0;
}

// The same for items that see but some of a block's slots. What nobody sees may be anything, and is left out. What some see
// counts as zero times itself for the others, which is nothing as long as it is finite.
inline void weigh_some(const std::byte* values, NextBlock& next, const std::uint16_t* p, const float* alpha, const Slots* slots,
                       int rows, float* o, std::int64_t d_v) {
  static thread_local Scratch scratch;
  auto* copy = reinterpret_cast<std::byte*>(scratch.floats(d_v / kLanes * kStepBytes / 4));
  Slots seen = slots[0];  // by any of them
  for (int r = 1; r < rows; ++r) seen = {std::min(seen.begin, slots[r].begin), std::max(seen.end, slots[r].end)};
  copy_values(values, d_v, seen.begin, seen.end, copy);
  if (all_finite(copy, d_v)) return weigh_tiles(copy, next, p, alpha, rows, o, d_v);
  for (int r = 0; r < rows; ++r) {
    copy_values(values, d_v, slots[r].begin, slots[r].end, copy);
    weigh_tiles(copy, next, p + r * kKvBlock, alpha + r, 1, o + r * d_v, d_v);
    next.stop();
  }
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
