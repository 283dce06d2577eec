// Products in bf16 by the tile instructions of AMX. Included inside a target region; see target.h.
//
// A panel has up to 32 rows, in two halves of 16. A row's sums over steps of 32 inputs are added up in order over all of K,
// whatever the rows (kernels/numerics.h).

namespace moe::kernels::MOE_SIMD {
namespace {

inline constexpr int kAmxRows = 2 * kHalfRows, kAmxSums = 4 * kHalfRows;

constexpr int low_rows(int rows) { return std::min(rows, kHalfRows); }
constexpr int high_rows(int rows) { return rows - low_rows(rows); }

template <int MR, int T>
struct AmxBf16Kernel {
  static constexpr int kHigh = high_rows(MR);
  static_assert(T <= 2 || (T == 4 && kHigh == 0));  // as there are registers for sums
  static constexpr bool kFewRows = MR <= kHalfRows;

  static void run(const MicroArgs& args) {
    shape_tiles({low_rows(MR), kHigh});
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
    alignas(64) std::byte padded[T][kStepBytes];
    MOE_UNROLL
    for (int t = 0; t < T; ++t) pad_step(weights + t * args.tile_stride, left, padded[t]);
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

template <int T>
struct AmxBf16Kernel<1, T> : AmxRowKernel<T> {};
constexpr Micros kAmxMicros = kMicros<AmxBf16Kernel, kAmxRows, kAmxSums>;

// Sums of bf16 stay in registers as long as the rows' inputs and two tiles' weights stay in the second-level cache: loading and
// storing them there takes longer than their products over 128 inputs.
inline constexpr std::int64_t kAmxBf16Rows = 256, kAmxBf16Inputs = 8 * kBlockK;

constexpr Family kBf16Family = {.direct = kAmxMicros,
                                .unpacked = {},
                                .unpacked_bytes = 0,
                                .offset = float_offset<WeightType::bf16>,
                                .unpack = nullptr,
                                .chunk_rows = kAmxBf16Rows,
                                .inputs = kAmxBf16Inputs,
                                .whole_panels = true,
                                .end = end_tiles};
template <WeightType W>
constexpr Family kWidenedPairsFamily = {.direct = {},
                                        .unpacked = kAmxMicros,
                                        .unpacked_bytes = kBlockK * kLanes * 2,
                                        .offset = quants_block_offset<W>,
                                        .unpack = widen_pairs<W>,
                                        .chunk_rows = kAmxBf16Rows,
                                        .whole_panels = true,
                                        .end = end_tiles};

// The peak of an instruction: as many products at once as there are sums.
inline constexpr std::int64_t kBurnTiles = 4;
template <bool quants>
float burn_tiles(std::int64_t iterations) {
  shape_tiles({kTileLines, kTileLines});
  alignas(64) float block[kTileLines * kLanes] = {};
  tile_load<kInputs>(block, kTileBytes);
  tile_load<kInputs + 1>(block, kTileBytes);
  tile_load<kWeights>(block, kTileBytes);
  tile_load<kWeights + 1>(block, kTileBytes);
  tile_zero<kSums>();
  tile_zero<kSums + 1>();
  tile_zero<kSums + 2>();
  tile_zero<kSums + 3>();
  for (std::int64_t i = 0; i < iterations; ++i) {
    tile_dot<quants, kSums, kInputs, kWeights>();
    tile_dot<quants, kSums + 1, kInputs, kWeights + 1>();
    tile_dot<quants, kSums + 2, kInputs + 1, kWeights>();
    tile_dot<quants, kSums + 3, kInputs + 1, kWeights + 1>();
  }
  tile_store<kSums>(block, kTileBytes);
  end_tiles();
  return block[0];
}

constexpr RooflineKernels::Burn kBurnBf16 = {burn_tiles<false>, kBurnTiles * kTileLines * kLanes* kStepInputs * 2};
constexpr RooflineKernels::Burn kBurnInt8 = {burn_tiles<true>, kBurnTiles * kTileLines * kLanes* kTileBytes * 2};

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
