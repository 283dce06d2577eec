// Products by the tile instructions of AMX. Included inside a target region; see target.h.
//
// A panel has up to 32 rows, in two halves of 16. bf16: a row's sums over steps of 32 inputs are added up in order over all of
// K, whatever the rows. int8: the integers of a group, which are exact, are scaled and added up as everywhere.

namespace moe::kernels::MOE_SIMD {
namespace {

#if defined(MOE_EMULATED)
inline constexpr int kHalfRows = 3;  // fewer, for what the emulation takes to compile
#else
inline constexpr int kHalfRows = kTileLines;
#endif
inline constexpr int kAmxRows = 2 * kHalfRows, kAmxSums = 4 * kHalfRows;

constexpr int low_rows(int rows) { return std::min(rows, kHalfRows); }
constexpr int high_rows(int rows) { return rows - low_rows(rows); }

// --- bf16

inline constexpr std::int64_t kStepInputs = kTileBytes / 2, kStepBytes = kTileBytes * kTileLines;

template <int MR, int T>
struct AmxBf16Kernel {
  static constexpr int kHigh = high_rows(MR);
  static_assert(T <= 2 || (T == 4 && kHigh == 0));  // as there are registers for sums
  static constexpr bool kFewRows = MR <= kHalfRows;

  static void run(const MicroArgs& args) {
    shape_tiles({low_rows(MR), kHigh, kTileBytes});
    for_sums([&]<int sums, int half, int t> {
      if (args.first) {
        tile_zero<sums>();
      } else {
        tile_load<sums>(at(args, t, half), kRowBytes);
      }
    });
    for_blocks<T>(args, kBlockK * kLanes * 2, block);
    for_sums([&]<int sums, int half, int t> { tile_store<sums>(at(args, t, half), kRowBytes); });
  }

 private:
  static void block(const MicroArgs& args) {
    NextWeights<!kFewRows, T> next(args, kBlockK / kStepInputs);
    Ahead<kFewRows, T> ahead(args, args.weights, kStepBytes);
    const std::byte *weights = args.weights, *x = args.x;
    std::int64_t left = args.count;
    for (; left >= kStepInputs; left -= kStepInputs) {
      next.fetch();
      step(args, weights, args.tile_stride, x, ahead);
      ahead.advance(kStepBytes);
      weights += kStepBytes;
      x += kTileBytes;
    }
    if (left == 0) return;
    alignas(64) std::byte padded[T][kStepBytes];  // what follows the last inputs' weights is not theirs
    const std::int64_t bytes = (left + 1) / 2 * kTileBytes;
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      std::memcpy(padded[t], weights + t * args.tile_stride, static_cast<std::size_t>(bytes));
      std::memset(padded[t] + bytes, 0, static_cast<std::size_t>(kStepBytes - bytes));
    }
    step(args, padded[0], kStepBytes, x, ahead);
  }

  static constexpr std::int64_t kRowBytes = T * kLanes * 4;
  static float* at(const MicroArgs& args, int t, int half) { return args.sums + (half * kHalfRows * T + t) * kLanes; }

  // f<register, half, tile>() for all sums in registers.
  template <typename F>
  static __attribute__((always_inline)) void for_sums(F f) {
    f.template operator()<kSums, 0, 0>();
    if constexpr (T > 1) f.template operator()<kSums + 1, 0, 1>();
    if constexpr (kHigh > 0) {
      f.template operator()<kSums + 2, 1, 0>();
      if constexpr (T > 1) f.template operator()<kSums + 3, 1, 1>();
    } else if constexpr (T == 4) {
      f.template operator()<kSums + 2, 0, 2>();
      f.template operator()<kSums + 3, 0, 3>();
    }
  }

  static __attribute__((always_inline)) void step(const MicroArgs& args, const std::byte* weights, std::int64_t tile_stride,
                                                  const std::byte* x, const Ahead<kFewRows, T>& ahead) {
    tile_load<kInputs>(x, args.row_bytes);
    if constexpr (kHigh > 0) tile_load<kInputs + 1>(x + kHalfRows * args.row_bytes, args.row_bytes);
    const auto fetch = [&](int t) __attribute__((always_inline)) {
      MOE_UNROLL
      for (int line = 0; line < kTileLines; ++line) ahead.fetch(t, line * kTileBytes);
    };
    tile_load<kWeights>(weights, kTileBytes);
    if constexpr (kFewRows) fetch(0);
    tile_dot_bf16<kSums, kInputs, kWeights>();
    if constexpr (T > 1) {
      tile_load<kWeights + 1>(weights + tile_stride, kTileBytes);
      if constexpr (kFewRows) fetch(1);
      tile_dot_bf16<kSums + 1, kInputs, kWeights + 1>();
    }
    if constexpr (kHigh > 0) {
      tile_dot_bf16<kSums + 2, kInputs + 1, kWeights>();
      if constexpr (T > 1) tile_dot_bf16<kSums + 3, kInputs + 1, kWeights + 1>();
    } else if constexpr (T == 4) {
      tile_load<kWeights>(weights + 2 * tile_stride, kTileBytes);
      fetch(2);
      tile_dot_bf16<kSums + 2, kInputs, kWeights>();
      tile_load<kWeights + 1>(weights + 3 * tile_stride, kTileBytes);
      fetch(3);
      tile_dot_bf16<kSums + 3, kInputs, kWeights + 1>();
    }
  }
};

// The rounding of the tile instructions for vectors: denormal numbers are zeros before and after each operation.
class TileRounding {
 public:
  TileRounding() : mode_(_mm_getcsr()) { set(mode_ | 0x8040U); }
  ~TileRounding() { set(mode_); }
  TileRounding(const TileRounding&) = delete;
  TileRounding& operator=(const TileRounding&) = delete;

 private:
  // Arithmetic on what is loaded after it and stored before it cannot be moved across it.
  static void set(unsigned mode) { __asm__ volatile("ldmxcsr %0" : : "m"(mode) : "memory"); }
  unsigned mode_;
};

// One row by vectors, to the bit as the tiles would: they read memory a little faster.
template <int T>
struct AmxRowKernel {
  static void run(const MicroArgs& args) {
    const TileRounding rounding;
    for_blocks<T>(args, kBlockK * kLanes * 2, block);
  }

 private:
  static void block(const MicroArgs& args) {
    Vec sums[T];
    MOE_UNROLL
    for (int t = 0; t < T; ++t) sums[t] = args.first ? zero() : load(args.sums + t * kLanes);
    const std::byte *weights = args.weights, *x = args.x;
    Ahead<true, T> ahead(args, weights, kTileBytes);
    for (std::int64_t left = args.count; left > 0; left -= kStepInputs) {
      const int pairs = static_cast<int>(std::min((left + 1) / 2, kStepInputs / 2));
      Vec even[T], odd[T];
      MOE_UNROLL
      for (int t = 0; t < T; ++t) even[t] = odd[t] = zero();
      for (int pair = 0; pair < pairs; ++pair) {
        std::uint32_t both;
        std::memcpy(&both, x + pair * 4, sizeof both);
        const Vec x_even = set1(std::bit_cast<float>(both << 16)), x_odd = set1(std::bit_cast<float>(both & 0xFFFF0000U));
        MOE_UNROLL
        for (int t = 0; t < T; ++t) {
          const auto* w = reinterpret_cast<const std::uint16_t*>(weights + t * args.tile_stride);
          ahead.fetch(t, 0);
          even[t] = fma(x_even, load_bf16_even(w), even[t]);
          odd[t] = fma(x_odd, load_bf16_odd(w), odd[t]);
        }
        ahead.advance(kTileBytes);
        weights += kTileBytes;
      }
      x += kTileBytes;
      MOE_UNROLL
      for (int t = 0; t < T; ++t) {
        // Pairs that are not there are zeros to the tiles, which make +0 of a sum of -0.
        if (pairs < kStepInputs / 2) {
          even[t] = add(even[t], zero());
          odd[t] = add(odd[t], zero());
        }
        sums[t] = add(sums[t], add(even[t], odd[t]));
      }
    }
    MOE_UNROLL
    for (int t = 0; t < T; ++t) store(args.sums + t * kLanes, sums[t]);
  }
};

// --- int8

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

// Multiplies one unit (register of its inputs; -1: none) while it adds up another's `rows` (0: none).
struct AmxAddUp {
  const InputGroups* inputs;
  const float* scales;
  float* sums;
  std::int64_t stride;
  bool first;
};
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
    NextWeights<true, T> next(args, T);
    const int groups = static_cast<int>(quant_groups(args.count));
    struct { AmxIntegers low; std::byte apart[2048]; AmxIntegers high; } integers;
    AmxIntegers &low = integers.low, &high = integers.high;
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

// --- what is used where

template <template <int, int> class Kernel, int MR>
constexpr Micro amx_four_tiles() {
  if constexpr (4 * MR <= kAmxSums) {
    return Kernel<MR, 4>::run;
  } else {
    return nullptr;
  }
}
template <template <int, int> class Kernel, int... R>
constexpr std::array<MicroSet, sizeof...(R)> amx_micro_sets(std::integer_sequence<int, R...>) {
  return {MicroSet{{Kernel<R + 1, 1>::run, Kernel<R + 1, 2>::run, amx_four_tiles<Kernel, R + 1>(), nullptr}}...};
}
template <template <int, int> class Kernel>
constexpr auto kAmxMicroSets = amx_micro_sets<Kernel>(std::make_integer_sequence<int, kAmxRows>());
constexpr auto kAmxBf16MicroSets = [] {
  auto sets = kAmxMicroSets<AmxBf16Kernel>;
  sets[0] = {{AmxRowKernel<1>::run, AmxRowKernel<2>::run, AmxRowKernel<4>::run, AmxRowKernel<8>::run}};
  return sets;
}();
constexpr Micros kAmxBf16Micros = {kAmxBf16MicroSets.data(), kAmxRows, kAmxSums};
constexpr Micros kAmxInt8Micros = {kAmxMicroSets<AmxInt8Kernel>.data(), kAmxRows, kAmxSums};


// Sums of bf16 stay in registers as long as the rows' inputs and two tiles' weights stay in the second-level cache: loading and
// storing them there takes longer than their products over 128 inputs.
inline constexpr std::int64_t kAmxBf16Rows = 256, kAmxBf16Inputs = 8 * kBlockK, kAmxInt8Rows = 512;

constexpr Family kAmxBf16Family = {.direct = kAmxBf16Micros,
                                   .unpacked = {},
                                   .unpacked_bytes = 0,
                                   .offset = float_offset<WeightType::bf16>,
                                   .unpack = nullptr,
                                   .chunk_rows = kAmxBf16Rows,
                                   .inputs = kAmxBf16Inputs,
                                   .whole_panels = true,
                                   .end = end_tiles};
template <WeightType W>
constexpr Family kAmxWidenedFamily = {.direct = {},
                                      .unpacked = kAmxBf16Micros,
                                      .unpacked_bytes = kBlockK * kLanes * 2,
                                      .offset = quants_block_offset<W>,
                                      .unpack = widen_pairs<W>,
                                      .chunk_rows = kAmxBf16Rows,
                                      .whole_panels = true,
                                      .end = end_tiles};
const Family& bf16_family(WeightType type) {
  switch (type) {
    case WeightType::q8:
      return kAmxWidenedFamily<WeightType::q8>;
    case WeightType::q4:
      return kAmxWidenedFamily<WeightType::q4>;
    default:
      return kAmxBf16Family;
  }
}

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

// The peaks: as many products at once as there are sums.
inline constexpr std::int64_t kBurnTiles = 4;
template <typename Multiply>
float burn_tiles(std::int64_t iterations, Multiply multiply) {
  shape_tiles({kTileLines, kTileLines, kTileBytes});
  alignas(64) float block[kTileLines * kLanes] = {};
  tile_load<kInputs>(block, kTileBytes);
  tile_load<kInputs + 1>(block, kTileBytes);
  tile_load<kWeights>(block, kTileBytes);
  tile_load<kWeights + 1>(block, kTileBytes);
  tile_zero<kSums>();
  tile_zero<kSums + 1>();
  tile_zero<kSums + 2>();
  tile_zero<kSums + 3>();
  for (std::int64_t i = 0; i < iterations; ++i) multiply();
  tile_store<kSums>(block, kTileBytes);
  end_tiles();
  return block[0];
}
float burn_amx_bf16(std::int64_t iterations) {
  return burn_tiles(iterations, [] {
    tile_dot_bf16<kSums, kInputs, kWeights>();
    tile_dot_bf16<kSums + 1, kInputs, kWeights + 1>();
    tile_dot_bf16<kSums + 2, kInputs + 1, kWeights>();
    tile_dot_bf16<kSums + 3, kInputs + 1, kWeights + 1>();
  });
}
float burn_amx_int8(std::int64_t iterations) {
  return burn_tiles(iterations, [] {
    tile_dot_int8<kSums, kInputs, kWeights>();
    tile_dot_int8<kSums + 1, kInputs, kWeights + 1>();
    tile_dot_int8<kSums + 2, kInputs + 1, kWeights>();
    tile_dot_int8<kSums + 3, kInputs + 1, kWeights + 1>();
  });
}
constexpr RooflineKernels::Burn kBurnAmxInt8 = {burn_amx_int8, kBurnTiles * kTileLines * kLanes* kTileBytes * 2};

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
