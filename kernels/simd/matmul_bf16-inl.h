// Products in bf16 by VDPBF16PS: pairs of neighbours in k, summed in f32. Included inside a target region;
// see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

inline Vec dot_pairs(Vec sum, __m512i weights, __m512i inputs) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<const __m512bh&>(weights),
                          reinterpret_cast<const __m512bh&>(inputs));
}

// sums[t][r] += the pair `at` of tile t times that of row r.
template <int MR, int T>
inline __attribute__((always_inline)) void step_pair(Vec (&sums)[T][MR], const std::byte* weights,
                                                     std::int64_t tile_stride, const std::int32_t* x,
                                                     Ahead<kFew<MR>, T>& ahead) {
  __m512i w[T];
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    w[t] = _mm512_loadu_si512(weights + t * tile_stride);
    ahead.fetch(t, 0);
    MOE_KEEP_ZMM(w[t]);
  }
  MOE_UNROLL
  for (int r = 0; r < MR; ++r) {
    __m512i input = _mm512_set1_epi32(x[r * kBlockK / 2]);
    if constexpr (T > 1) MOE_KEEP_ZMM(input);
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      sums[t][r] = dot_pairs(sums[t][r], w[t], input);
      keep_order(sums[t][r]);
    }
  }
  ahead.advance(64);
}

template <int MR, int T>
struct Bf16Kernel {
  static void run(const MicroArgs& args) { for_blocks<T>(args, kBlockK * kLanes * 2, block); }
  static void block(const MicroArgs& args) {
    Vec sums[T][MR];
    clear(sums);
    const std::byte* weights = args.weights;
    const std::int64_t stride = args.tile_stride;
    const auto* x = reinterpret_cast<const std::int32_t*>(args.x);
    std::int64_t pairs = (args.count + 1) / 2;
    NextWeights<!kFew<MR>, T> next(args, kBlockK / 4);
    Ahead<kFew<MR>, T> ahead(args, weights, 64);
    for (; pairs >= 2; pairs -= 2) {
      next.fetch();
      step_pair<MR, T>(sums, weights, stride, x, ahead);
      step_pair<MR, T>(sums, weights + 4 * kLanes, stride, x + 1, ahead);
      weights += 8 * kLanes;
      x += 2;
    }
    if (pairs > 0) step_pair<MR, T>(sums, weights, stride, x, ahead);
    add_block(args, sums);
  }
};

constexpr std::int64_t kBf16Rows = 224;  // 224 x 256 x 2 bytes of x

constexpr Family kBf16Family = {
    kMicros<Bf16Kernel>, {}, 0, float_offset<WeightType::bf16>, nullptr, kBf16Rows};
template <WeightType W>
constexpr Family kWidenedPairsFamily = {
    {}, kMicros<Bf16Kernel>, kBlockK* kLanes * 2, quants_block_offset<W>, widen_pairs<W>, kBf16Rows};

// The peak of this instruction.
float burn_bf16(std::int64_t iterations) {
  __m512i weights = _mm512_set1_epi32(0x3F803F80), inputs = weights;
  Vec sums[kChains];
  MOE_UNROLL
  for (int c = 0; c < kChains; ++c) sums[c] = set1(static_cast<float>(c));
  for (std::int64_t i = 0; i < iterations; ++i) {
    MOE_UNROLL
    for (int c = 0; c < kChains; ++c) {
      sums[c] = dot_pairs(sums[c], weights, inputs);
      keep_order(sums[c]);
    }
  }
  Vec all = sums[0];
  MOE_UNROLL
  for (int c = 1; c < kChains; ++c) all = add(all, sums[c]);
  return tree_sum(all);
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
