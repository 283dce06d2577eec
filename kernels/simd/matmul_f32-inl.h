// Products in f32: chains of fused multiply-adds over blocks of K. Included inside a target region; see
// target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

// The 16 weights of the first and the second k of a pair.
template <WeightType W>
struct Weights;

template <>
struct Weights<WeightType::f32> {
  static constexpr std::int64_t kBytes = 4;
  static Vec even(const std::byte* pair) { return load(reinterpret_cast<const float*>(pair)); }
  static Vec odd(const std::byte* pair) { return load(reinterpret_cast<const float*>(pair) + kLanes); }
};
template <>
struct Weights<WeightType::f16> {
  static constexpr std::int64_t kBytes = 2;
  static Vec even(const std::byte* pair) { return load_f16(reinterpret_cast<const std::uint16_t*>(pair)); }
  static Vec odd(const std::byte* pair) {
    return load_f16(reinterpret_cast<const std::uint16_t*>(pair) + kLanes);
  }
};
template <>
struct Weights<WeightType::bf16> {
  static constexpr std::int64_t kBytes = 2;
  static Vec even(const std::byte* pair) {
    return load_bf16_even(reinterpret_cast<const std::uint16_t*>(pair));
  }
  static Vec odd(const std::byte* pair) {
    return load_bf16_odd(reinterpret_cast<const std::uint16_t*>(pair));
  }
};

// sums[t][r] += w * x[r][at] for every tile and row. Where the registers allow it every number is loaded
// once.
template <int MR, int T, typename LoadWeights>
inline __attribute__((always_inline)) void step(Vec (&sums)[T][MR], const PanelRows<float, MR>& x, int at,
                                                LoadWeights load_weights) {
  if constexpr (T > 1 && MR > 1 && T * MR + T + 1 <= kVecs) {
    Vec w[T];
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      w[t] = load_weights(t);
      keep_order(w[t]);
    }
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      Vec input = set1(x.row(r)[at]);
      keep_order(input);
      MOE_UNROLL
      for (int t = 0; t < T; ++t) {
        sums[t][r] = fma(w[t], input, sums[t][r]);
        keep_order(sums[t][r]);
      }
    }
  } else {
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      Vec w = load_weights(t);
      if constexpr (MR > 1) keep_order(w);  // else each use would load it again
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) {
        sums[t][r] = fma(w, set1(x.row(r)[at]), sums[t][r]);
        keep_order(sums[t][r]);
      }
    }
  }
}

template <int MR, int T>
inline void clear(Vec (&sums)[T][MR]) {
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) sums[t][r] = zero();
  }
}

// Writes a block's sums, or adds them to those of the blocks before.
template <int MR, int T>
inline void add_block(const MicroArgs& args, const Vec (&sums)[T][MR]) {
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      float* to = args.sums + (r * T + t) * kLanes;
      store(to, args.first ? sums[t][r] : add(load(to), sums[t][r]));
    }
  }
}

// So few rows never come in several panels: they are multiplied at the speed of memory.
template <int MR>
constexpr bool kFew = 2 * MR <= kMicroRows;

// On weights of W. `keep`: leave them widened at args.widened as well.
template <WeightType W, bool keep = false>
struct F32Kernels {
  template <int MR, int T>
  struct Kernel {
    static void run(const MicroArgs& args) { for_blocks<T>(args, kBlockK * kLanes * Weights<W>::kBytes, block); }
    static void block(const MicroArgs& args) {
      Vec sums[T][MR];
      clear(sums);
      const std::byte* weights = args.weights;
      const std::int64_t stride = args.tile_stride;
      PanelRows<float, MR> x(reinterpret_cast<const float*>(args.x), args.row_bytes / 4);
      NextWeights<!kFew<MR>, T> next(args, kBlockK / 2);
      Ahead<kFew<MR>, T> ahead(args, weights, 2 * kLanes * Weights<W>::kBytes);
      float* widened = args.widened;
      const auto even = [&](int t) __attribute__((always_inline)) {
        const Vec w = Weights<W>::even(weights + t * stride);
        ahead.fetch(t, 0);
        if constexpr (keep) store(widened + t * kBlockK * kLanes, w);
        return w;
      };
      const auto odd = [&](int t) __attribute__((always_inline)) {
        const Vec w = Weights<W>::odd(weights + t * stride);
        if constexpr (W == WeightType::f32) ahead.fetch(t, 64);
        if constexpr (keep) store(widened + t * kBlockK * kLanes + kLanes, w);
        return w;
      };
      for (std::int64_t pair = args.count / 2; pair > 0; --pair) {
        next.fetch();
        step<MR, T>(sums, x, 0, even);
        step<MR, T>(sums, x, 1, odd);
        x.advance(2);
        if constexpr (keep) widened += 2 * kLanes;
        weights += 2 * kLanes * Weights<W>::kBytes;
        ahead.advance(2 * kLanes * Weights<W>::kBytes);
      }
      if (args.count % 2 != 0) {
        step<MR, T>(sums, x, 0, even);
      }
      add_block(args, sums);
    }
  };
};

template <WeightType W>
std::int64_t float_offset(std::int64_t k) {
  return k * kLanes * Weights<W>::kBytes;
}
template <WeightType W>
constexpr std::int64_t quants_block_offset(std::int64_t k) {
  return scales_offset(W, k / kQuantGroup);
}

// One block of a tile of quants as floats [k][16]; `round`: to bf16, for products in bf16 by f32 chains.
template <bool round>
void widen_quants(const PackedMatrix& w, std::int64_t tile, std::int64_t k, std::int64_t count,
                  std::byte* out) {
  auto* weights = reinterpret_cast<float(*)[kLanes]>(out);
  widen_tile(w, tile, k, k + count, weights);
  if constexpr (round) {
    for (std::int64_t i = 0; i < count; ++i) {
      for (float& weight : weights[i]) weight = widen_bf16(narrow_bf16(weight));
    }
  }
}

// The same as pairs of bf16, for products that take those.
template <WeightType W>
[[maybe_unused]] void widen_pairs(const PackedMatrix& w, std::int64_t tile, std::int64_t k, std::int64_t count,
                 std::byte* out) {
  float weights[kBlockK][kLanes];
  widen_tile(w, tile, k, k + count, weights);
  std::fill_n(weights[count], count < kBlockK ? kLanes : 0, 0.0F);  // the other half of an odd pair
  auto* pairs = reinterpret_cast<std::uint16_t*>(out);
  for (std::int64_t i = 0; i < count + count % 2; ++i) {
    for (int lane = 0; lane < kLanes; ++lane)
      pairs[(i / 2 * kLanes + lane) * 2 + i % 2] = narrow_bf16(weights[i][lane]);
  }
}

constexpr std::int64_t kFloatBlock = kBlockK * kLanes * 4;
// x takes 96 x 256 floats, a fifth of the smallest L2 we care for; processors with AVX-512 have one at least twice as large.
constexpr std::int64_t kFloatRows = kVecs == 32 ? 224 : 96;

// Widening in registers takes two operations a pair of k and tile. Where there are rows enough, those that come first leave
// the widened block to the others: stores cost less than widening again.
template <WeightType W>
constexpr Family kF32Family = {
    kMicros<F32Kernels<W>::template Kernel>,
    W == WeightType::f32 ? Micros() : kMicros<F32Kernels<WeightType::f32>::template Kernel>,
    kFloatBlock,
    float_offset<W>,
    nullptr,
    kFloatRows,
    W == WeightType::f32 ? Micros() : kMicros<F32Kernels<W, true>::template Kernel>};
template <WeightType W, bool round>
constexpr Family kWidenedFamily = {{},
                                   kMicros<F32Kernels<WeightType::f32>::template Kernel>,
                                   kFloatBlock,
                                   quants_block_offset<W>,
                                   widen_quants<round>,
                                   kFloatRows};

// Products in f32, and in bf16 where the inputs are rounded numbers kept as floats.
const Family& f32_family(WeightType type, Compute compute) {
  const bool round = compute == Compute::bf16;
  switch (type) {
    case WeightType::f32:
      break;
    case WeightType::f16:
      return kF32Family<WeightType::f16>;
    case WeightType::bf16:
      return kF32Family<WeightType::bf16>;
    case WeightType::q8:
      return round ? kWidenedFamily<WeightType::q8, true> : kWidenedFamily<WeightType::q8, false>;
    case WeightType::q4:
      return round ? kWidenedFamily<WeightType::q4, true> : kWidenedFamily<WeightType::q4, false>;
  }
  return kF32Family<WeightType::f32>;
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
