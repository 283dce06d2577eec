// What the machine can do at most: plain reading, and fused multiply-adds on registers alone. Included inside
// a target region; see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

float read_all(const float* x, std::int64_t n, int streams) {
  Vec mix[4] = {zero(), zero(), zero(), zero()};
  for (const float* end = x + n; x < end; x += streams * kReadPage) {
    for (std::int64_t i = 0; i < kReadPage; i += 4 * kLanes) {
      for (int s = 0; s < streams; ++s) {
        const float* from = x + s * kReadPage + i;
        MOE_UNROLL
        for (int v = 0; v < 4; ++v) mix[v] = bit_xor(mix[v], load(from + v * kLanes));
      }
    }
  }
  return tree_max(bit_xor(bit_xor(mix[0], mix[1]), bit_xor(mix[2], mix[3])));
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
