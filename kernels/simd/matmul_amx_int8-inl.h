// Products of quants by the tile instructions of AMX, for many rows. Included inside a target region; see target.h.
//
// The integers of a group are exact, and are scaled and added up as by every other table: equal bits.

namespace moe::kernels::MOE_SIMD {
namespace {

// A group's quants of a tile of weights, as signed bytes: 8 lines of 64.
inline constexpr std::int64_t kAmxGroupBytes = kQuantGroup * kLanes, kAmxBlockBytes = InputGroups::kGroups * kAmxGroupBytes;

// The integers of a unit, one half's rows times one tile, go through memory from the tiles to the vectors that scale them and
// add them up. What a tile stores cannot be loaded at once, so the tiles are a unit ahead.
struct AmxIntegers {
  alignas(64) std::int32_t of[InputGroups::kGroups][kHalfRows][kLanes];
};

template <int inputs_register, int parity>
inline __attribute__((always_inline)) void amx_multiply(const std::byte* x, const std::byte* weights, int g, AmxIntegers& to) {
  constexpr int kSum = inputs_register == kInputs ? kSums + parity : kSums + 2 + parity;
  tile_load<inputs_register>(x + g * kQuantGroup, kBlockK);
  tile_load<kWeights + parity>(weights + g * kAmxGroupBytes, kTileBytes);
  tile_zero<kSum>();
  tile_dot_int8<kSum, inputs_register, kWeights + parity>();
  tile_store<kSum>(to.of[g], kTileBytes);
}

// What the integers of a unit are scaled with, and the sums they are added to.
struct AmxAddUp {
  const InputGroups* inputs;
  const float* scales;
  float* sums;
  std::int64_t stride;
  bool first;
};
// Multiplies one unit (register of its inputs; -1: none) into `to` while it adds up another's `rows` (0: none) out of `from`.
template <int inputs_register, int rows>
inline void amx_stage(int groups, const std::byte* x, const std::byte* weights, AmxIntegers& to, const AmxIntegers& from,
                      const AmxAddUp& add_up) {
  Vec total[rows + 1];
  MOE_UNROLL
  for (int r = 0; r < rows; ++r) total[r] = add_up.first ? zero() : load(add_up.sums + r * add_up.stride);
  const auto group = [&]<int parity>(int g) __attribute__((always_inline)) {
    if constexpr (inputs_register >= 0) amx_multiply<inputs_register, parity>(x, weights, g, to);
    if constexpr (rows > 0) {
      const Vec scale = load(add_up.scales + g * kLanes);
      MOE_UNROLL
      for (int r = 0; r < rows; ++r) {
        const Vec value = mul(_mm512_cvtepi32_ps(_mm512_load_si512(from.of[g][r])), set1(add_up.inputs[r].scale[g]));
        total[r] = fma(value, scale, total[r]);
      }
    }
  };
  for (int g = 0; g < groups; g += 2) {
    group.template operator()<0>(g);
    if (g + 1 < groups) group.template operator()<1>(g + 1);
  }
  MOE_UNROLL
  for (int r = 0; r < rows; ++r) store(add_up.sums + r * add_up.stride, total[r]);
}

// On blocks that unpack_signed made and widened scales.
template <int MR, int T>
struct AmxInt8Kernel {
  static void run(const MicroArgs& args) {
    constexpr int kLow = low_rows(MR), kHigh = high_rows(MR);
    constexpr int kHighRegister = kHigh > 0 ? kInputs + 1 : -1;
    shape_tiles({kLow, kHigh, kQuantGroup});
    NextWeights<true, T> next(args, T);  // a step for each tile
    const int groups = static_cast<int>(quant_groups(args.count));
    AmxIntegers low, high;
    const std::byte* high_x = args.x + kHalfRows * kBlockK;
    const auto weights = [&](int t) { return args.weights + t * args.tile_stride; };
    const auto low_sums = [&](int t) {
      return AmxAddUp{args.groups, static_cast<const float*>(args.scales) + t * args.scale_stride, args.sums + t * kLanes,
                      T * kLanes, args.first};
    };
    const auto high_sums = [&](int t) {
      AmxAddUp sums = low_sums(t);
      sums.inputs += kHalfRows;
      sums.sums += kHalfRows * sums.stride;
      return sums;
    };
    amx_stage<kInputs, 0>(groups, args.x, weights(0), low, high, {});
    for (int t = 0; t < T; ++t) {
      next.fetch();
      amx_stage<kHighRegister, kLow>(groups, high_x, weights(t), high, low, low_sums(t));
      if (t + 1 < T) {
        amx_stage<kInputs, kHigh>(groups, args.x, weights(t + 1), low, high, high_sums(t));
      } else if constexpr (kHigh > 0) {
        amx_stage<-1, kHigh>(groups, nullptr, nullptr, low, high, high_sums(t));
      }
    }
  }
};

// One block of quants as signed bytes.
template <WeightType W>
void unpack_signed(const PackedMatrix& w, std::int64_t tile, std::int64_t k, std::int64_t count, std::byte* out) {
  constexpr QuantForm form = W == WeightType::q8 ? QuantForm::bytes : QuantForm::nibbles;
  const std::byte* stored = w.tile(tile) + quants_block_offset<W>(k);
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(quant_offset(W)));
  for (std::int64_t group = 0; group < quant_groups(count); ++group, out += kAmxGroupBytes) {
    const std::byte* from = stored + quants_offset(W, group);
    MOE_UNROLL
    for (int quad = 0; quad < 8; ++quad) {
      _mm512_store_si512(out + quad * kTileBytes, _mm512_sub_epi8(load_quad<form>(from, quad), offset));
    }
  }
}

constexpr Micros kAmxInt8Micros = {kAmxMicroSets<AmxInt8Kernel>.data(), kAmxRows, kAmxSums};
inline constexpr std::int64_t kAmxInt8Rows = 512;

// Few rows are multiplied at the speed of memory by vectors.
template <WeightType W>
constexpr Family kAmxInt8Family = {.direct = W == WeightType::q8 ? kQ8Family.direct : kQ4Family.direct,
                                   .unpacked = kAmxInt8Micros,
                                   .unpacked_bytes = kAmxBlockBytes,
                                   .offset = quants_block_offset<W>,
                                   .unpack = unpack_signed<W>,
                                   .chunk_rows = kAmxInt8Rows,
                                   .whole_panels = true,
                                   .end = end_tiles};
const Family& int8_family(WeightType type) {
  return type == WeightType::q8 ? kAmxInt8Family<WeightType::q8> : kAmxInt8Family<WeightType::q4>;
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
