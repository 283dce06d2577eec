// What the machine can do at most: plain reading, and fused multiply-adds on registers alone. Included inside
// a target region; see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

// Byte i of a page, or of the page that its stream reads next.
inline std::int64_t in_stream(std::int64_t i, int streams) {
  constexpr std::int64_t kBytes = kReadPage * std::int64_t{sizeof(float)};
  return i < kBytes ? i : i + (streams - 1) * kBytes;
}

template <bool fetched>
float read_pages(const float* x, std::int64_t n, int streams) {
  Vec mix[4] = {zero(), zero(), zero(), zero()};
  for (const float* end = x + n; x < end; x += streams * kReadPage) {
    for (std::int64_t i = 0; i < kReadPage; i += 4 * kLanes) {
      const char* page = reinterpret_cast<const char*>(x);
      const char* near = page + in_stream(i * 4 + kNearBytes, streams);
      const char* far = page + in_stream(i * 4 + kFarBytes, streams);
      for (int s = 0; s < streams; ++s) {
        const float* from = x + s * kReadPage + i;
        MOE_UNROLL
        for (int v = 0; v < 4; ++v) {
          if constexpr (fetched) {
            _mm_prefetch(near + (s * kReadPage + v * kLanes) * 4, _MM_HINT_T0);
            _mm_prefetch(far + (s * kReadPage + v * kLanes) * 4, _MM_HINT_T0);
          }
          mix[v] = bit_xor(mix[v], load(from + v * kLanes));
        }
      }
    }
  }
  return tree_max(bit_xor(bit_xor(mix[0], mix[1]), bit_xor(mix[2], mix[3])));
}

float read_all(const float* x, std::int64_t n, ReadPattern pattern) {
  return pattern.fetched ? read_pages<true>(x, n, pattern.streams) : read_pages<false>(x, n, pattern.streams);
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
