// Products of many rows of quants by the tile instructions of AMX. Included inside a target region; see target.h.
//
// A group's integers are exact, so these are the bits of the vectors' products. They need no start (kernels/packed_input.h), for
// weights are signed here; an integer below 2^22 times its scale is rounded once either way. A group of 32 fills half of an
// instruction, and its integers go through memory to the vectors that scale them.

namespace moe::kernels::MOE_SIMD {
namespace {

// A panel has 16 rows, in the registers of the low half; the last one of a chunk may have fewer, in those of the high half, so
// that panels take turns without shaping tiles anew.
template <int MR, int T>
struct AmxInt8Kernel {
  static_assert(MR <= kHalfRows && T <= 2);
  static constexpr int kHalf = MR == kHalfRows ? 0 : 1;
  static constexpr int kFirstSums = kSums + 2 * kHalf, kRowInputs = kInputs + kHalf;
  // Sums that stay in registers, beside the weights' scales, an input's and integers.
  using Sums = QuantSums<MR, T, std::clamp(kVecs - T - 4, 0, MR * T)>;

  static void run(const MicroArgs& given) {
    const MicroArgs args = given;  // a copy, which no store can be thought to change
    shape_quant_tiles(MR);
    Sums sums;
    sums.memory = args.sums;
    sums.begin(args.first);
    const auto groups = static_cast<int>(quant_groups(args.count));
    NextWeights<true, T> next(args, InputGroups::kGroups);
    alignas(64) std::int32_t integers[2][MR * T * kLanes];
    // The next group's integers are on their way while this one's are scaled.
    const auto step = [&](int g, int count) __attribute__((always_inline)) {
      next.fetch();
      if (g + 1 < count) dot(args, g + 1, integers[(g + 1) % 2]);
      add(args, g, integers[g % 2], sums);
    };
    dot(args, 0, integers[0]);
    if (groups == InputGroups::kGroups) {
      MOE_UNROLL
      for (int g = 0; g < InputGroups::kGroups; ++g) step(g, InputGroups::kGroups);
    } else {
      for (int g = 0; g < groups; ++g) step(g, groups);
    }
    sums.end();
  }

 private:
  // The integers [MR][T][16] of group g of the block.
  static inline __attribute__((always_inline)) void dot(const MicroArgs& args, int g, std::int32_t* integers) {
    tile_load<kRowInputs>(args.x + g * kQuantGroup, kBlockK);
    const std::byte* weights = args.weights + quants_offset(WeightType::q8, g);
    dot_tile<0>(weights, integers);
    if constexpr (T > 1) dot_tile<1>(weights + args.tile_stride, integers + kLanes);
  }
  template <int t>
  static inline __attribute__((always_inline)) void dot_tile(const std::byte* weights, std::int32_t* integers) {
    tile_load<kWeights + t>(weights, kTileBytes);
    tile_zero<kFirstSums + t>();
    tile_dot_int8<kFirstSums + t, kRowInputs, kWeights + t>();
    tile_store<kFirstSums + t>(integers, T * kLanes * 4);
  }

  static inline __attribute__((always_inline)) void add(const MicroArgs& args, int g, const std::int32_t* integers, Sums& sums) {
    const float* scales = static_cast<const float*>(args.scales) + g * kLanes;
    Vec scale[T];
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      scale[t] = load(scales + t * args.scale_stride);
      keep_order(scale[t]);
    }
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      Vec input = set1(args.groups[r].scale[g]);
      keep_order(input);
      MOE_UNROLL
      for (int t = 0; t < T; ++t) {
        const Vec integer = _mm512_cvtepi32_ps(_mm512_load_si512(integers + (r * T + t) * kLanes));
        const Vec value = mul(integer, input);
        sums.add(t, r, value, scale[t]);
      }
    }
    sums.end_group();
  }
};

// One block of stored quants as signed bytes.
template <WeightType W>
void unpack_signed(const PackedMatrix& w, std::int64_t tile, std::int64_t k, std::int64_t count, std::byte* out) {
  const std::byte* stored = w.tile(tile) + quants_block_offset<W>(k);
  for (std::int64_t group = 0; group < quant_groups(count); ++group) {
    const std::byte* from = stored + quants_offset(W, group);
    std::byte* to = out + quants_offset(WeightType::q8, group);
    MOE_UNROLL
    for (int quad = 0; quad < 8; ++quad) {
      __m512i quants;
      if constexpr (W == WeightType::q8) {
        quants = _mm512_xor_si512(load_quad<QuantForm::bytes>(from, quad), _mm512_set1_epi8(-128));
      } else {
        quants = _mm512_sub_epi8(load_quad<QuantForm::nibbles>(from, quad), _mm512_set1_epi8(8));
      }
      _mm512_storeu_si512(to + quad * 4 * kLanes, quants);
    }
  }
}

constexpr Micros kAmxInt8Micros = kMicros<AmxInt8Kernel, kHalfRows, 2 * kHalfRows, 2>;

// As many rows as let the inputs of a block of K and the group's sums stay in the second-level cache.
inline constexpr std::int64_t kAmxInt8Rows = 256;

// `by_vectors` goes up to direct_rows.
template <WeightType W>
constexpr Family quants_by_tiles(const Family& by_vectors, std::int64_t direct_rows) {
  return {.direct = by_vectors.direct,
          .unpacked = kAmxInt8Micros,
          .unpacked_bytes = quants_block_offset<WeightType::q8>(kBlockK),
          .offset = by_vectors.offset,
          .unpack = unpack_signed<W>,
          .chunk_rows = kAmxInt8Rows,
          .direct_rows = direct_rows,
          .whole_panels = true,
          .end = end_tiles};
}
constexpr Family kAmxQ8Family = quants_by_tiles<WeightType::q8>(kQ8Family, kHalfRows * 13 / 8);
constexpr Family kAmxQ4Family = quants_by_tiles<WeightType::q4>(kQ4Family, kHalfRows * 5 / 4);

const Family& int8_family(WeightType type) { return type == WeightType::q8 ? kAmxQ8Family : kAmxQ4Family; }

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
