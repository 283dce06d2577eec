// Rounding to narrower forms, and the choice of scales by the best instructions of this processor: the
// operations are the same ones in the same order, so all of them choose alike.
#include "kernels/quantise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/scalar_math.h"
#include "kernels/scale_search.h"
#include "kernels/simd/target.h"
#include "kernels/tables.h"

namespace moe::kernels {
namespace {

namespace generic {
#include "kernels/scale_search-inl.h"
}

#if defined(__x86_64__)
MOE_TARGET_BEGIN("avx2")
namespace with_avx2 {
#include "kernels/scale_search-inl.h"
}
MOE_TARGET_END
MOE_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")
namespace with_avx512 {
#include "kernels/scale_search-inl.h"
}
MOE_TARGET_END
#endif

void search(const WeightGroup& weights, const float* levels, int count, float low, float high,
            std::uint16_t* scales, QuantGroup& quants) noexcept {
  static const ScaleSearch best = scale_searches().back();
  float chosen[kLanes];
  best(weights, levels, count, low, high, chosen, quants);
  for (int lane = 0; lane < kLanes; ++lane) scales[lane] = narrow_f16(chosen[lane]);
}

}  // namespace

std::span<const ScaleSearch> scale_searches() noexcept {
#if defined(__x86_64__)
  static constexpr ScaleSearch kAll[] = {generic::search, with_avx2::search, with_avx512::search};
  static const std::size_t count = !missing_for_avx2().empty() ? 1 : !missing_for_avx512().empty() ? 2 : 3;
  return std::span(kAll, count);
#else
  static constexpr ScaleSearch kAll[] = {generic::search};
  return kAll;
#endif
}

// Eight bits leave little to choose: the extreme at the end of the range or just short of it.
void quantise_q8(const WeightGroup& weights, std::uint16_t* scales, QuantGroup& quants) noexcept {
  static constexpr float kLevels[] = {127.0F, 126.75F, 126.5F};
  search(weights, kLevels, 3, -127.0F, 127.0F, scales, quants);
}

// Four bits: the extreme takes the longer, negative end or nearly so. Placing it at the shorter end, or clipping it by more,
// has a smaller squared error but worse predictions (docs/performance.md): the largest weights matter most.
void quantise_q4(const WeightGroup& weights, std::uint16_t* scales, QuantGroup& quants) noexcept {
  static constexpr float kLevels[] = {-8.0F, -8.2F, -7.8F, -7.5F};
  search(weights, kLevels, 4, -8.0F, 7.0F, scales, quants);
}

std::uint16_t narrow_f16(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U);
  if (magnitude >= 0x477FF000U) return static_cast<std::uint16_t>(sign | 0x7C00U);  // rounds past 65504
  if (magnitude < 0x38800000U) {  // below the least normal half: the sum's last bit is the least half
    const float shifted = std::fabs(value) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U));
  }
  const std::uint32_t odd = magnitude >> 13 & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13));
}

std::uint16_t narrow_bf16(float value) noexcept { return bf16_bits(value); }

}  // namespace moe::kernels
