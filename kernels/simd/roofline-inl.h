// What the machine can do at most: plain reading, and fused multiply-adds on registers alone. Included inside
// a target region; see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

template <bool fetched>
float read_runs(const float* x, std::int64_t n, int streams, std::int64_t run) {
  // Float i of a run, or of the run that its stream reads next.
  const auto in_stream = [&](std::int64_t i) __attribute__((always_inline)) { return i < run ? i : i + (streams - 1) * run; };
  Vec mix[4] = {zero(), zero(), zero(), zero()};
  for (const float* end = x + n; x < end; x += streams * run) {
    for (std::int64_t i = 0; i < run; i += 4 * kLanes) {
      const float *near = x + in_stream(i + kNearBytes / 4), *far = x + in_stream(i + kFarBytes / 4);
      for (int s = 0; s < streams; ++s) {
        const float* from = x + s * run + i;
        MOE_UNROLL
        for (int v = 0; v < 4; ++v) {
          if constexpr (fetched) {
            _mm_prefetch(reinterpret_cast<const char*>(near + s * run + v * kLanes), _MM_HINT_T0);
            _mm_prefetch(reinterpret_cast<const char*>(far + s * run + v * kLanes), _MM_HINT_T0);
          }
          mix[v] = bit_xor(mix[v], load(from + v * kLanes));
        }
      }
    }
  }
  return tree_max(bit_xor(bit_xor(mix[0], mix[1]), bit_xor(mix[2], mix[3])));
}

float read_all(const float* x, std::int64_t n, ReadPattern pattern) {
  return pattern.fetched ? read_runs<true>(x, n, pattern.streams, pattern.run) : read_runs<false>(x, n, pattern.streams, pattern.run);
}

constexpr int kChains = kMicroRows;

float burn(std::int64_t iterations) {
  const Vec factor = set1(0.999F), step = set1(1e-3F);
  float start[kChains * kLanes];  // all different, lest registers that hold the same be made one
  for (int i = 0; i < kChains * kLanes; ++i) start[i] = static_cast<float>(i);
  Vec sums[kChains];
  MOE_UNROLL
  for (int c = 0; c < kChains; ++c) sums[c] = load(start + c * kLanes);
  for (std::int64_t i = 0; i < iterations; ++i) {
    MOE_UNROLL
    for (int c = 0; c < kChains; ++c) sums[c] = fma(sums[c], factor, step);
  }
  Vec all = sums[0];
  for (int c = 1; c < kChains; ++c) all = add(all, sums[c]);
  return tree_sum(all);
}
constexpr RooflineKernels::Burn kBurnF32 = {burn, std::int64_t{2} * kLanes* kChains};

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
