// The choice of scales. Loops run over the 16 rows of a tile inside, so that any compiler makes vectors of
// them.
#include "kernels/quantise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/scalar_math.h"

namespace moe::kernels {
namespace {

using Lane = float[kLanes];

// Nearest integer, ties to even, for |x| < 2^22, held in [low, high].
inline float round_within(float x, float low, float high) noexcept {
  return std::min(high, std::max(low, (x + kRoundMagic) - kRoundMagic));
}

// The best scale so far of each row, with its error and quants.
struct Best {
  Lane scale, error;
  float quants[kQuantGroup][kLanes];
};

// The quants of `scale`, rounded to f16 first, replace the best ones of the rows where they are nearer.
void try_scale(const WeightGroup& weights, const Lane& scale, float low, float high, Best& best) noexcept {
  Lane rounded, inverse, error = {};
  float quants[kQuantGroup][kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    rounded[lane] = widen_f16(narrow_f16(scale[lane]));
    inverse[lane] = rounded[lane] == 0.0F ? 0.0F : 1.0F / rounded[lane];
  }
  for (int k = 0; k < kQuantGroup; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float q = round_within(weights[k][lane] * inverse[lane], low, high);
      const float difference = weights[k][lane] - q * rounded[lane];
      quants[k][lane] = q;
      error[lane] += difference * difference;
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    if (!(error[lane] < best.error[lane])) continue;
    best.error[lane] = error[lane];
    best.scale[lane] = rounded[lane];
    for (int k = 0; k < kQuantGroup; ++k) best.quants[k][lane] = quants[k][lane];
  }
}

// The scale of least squares for the quants that `inverse` gives: sum w q / sum q^2.
void fit_scale(const WeightGroup& weights, const Lane& inverse, float low, float high, Lane& scale) noexcept {
  Lane products = {}, squares = {};
  for (int k = 0; k < kQuantGroup; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float q = round_within(weights[k][lane] * inverse[lane], low, high);
      products[lane] += weights[k][lane] * q;
      squares[lane] += q * q;
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    scale[lane] = squares[lane] == 0.0F ? 0.0F : products[lane] / squares[lane];
  }
}

void write(const Best& best, std::uint16_t* scales, QuantGroup& quants) noexcept {
  for (int lane = 0; lane < kLanes; ++lane) {
    scales[lane] =
        best.scale[lane] == 0.0F ? std::uint16_t{0} : narrow_f16(best.scale[lane]);  // no negative zero
  }
  for (int k = 0; k < kQuantGroup; ++k) {
    for (int lane = 0; lane < kLanes; ++lane)
      quants[k][lane] = static_cast<std::int8_t>(best.quants[k][lane]);
  }
}

// The element of largest magnitude of each row, with its sign.
void extremes(const WeightGroup& weights, Lane& extreme) noexcept {
  for (int lane = 0; lane < kLanes; ++lane) extreme[lane] = 0.0F;
  for (int k = 0; k < kQuantGroup; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float w = weights[k][lane];
      extreme[lane] = std::fabs(w) > std::fabs(extreme[lane]) ? w : extreme[lane];
    }
  }
}

// Tries extreme / level for every level, and the least squares fit of the quants that it gives.
void search(const WeightGroup& weights, const float* levels, int count, float low, float high,
            std::uint16_t* scales, QuantGroup& quants) noexcept {
  Lane extreme, scale, inverse;
  extremes(weights, extreme);
  Best best = {};
  std::fill_n(best.error, kLanes, HUGE_VALF);
  for (int i = 0; i < count; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) {
      scale[lane] = extreme[lane] / levels[i];
      inverse[lane] = extreme[lane] == 0.0F ? 0.0F : levels[i] / extreme[lane];
    }
    try_scale(weights, scale, low, high, best);
    fit_scale(weights, inverse, low, high, scale);
    try_scale(weights, scale, low, high, best);
  }
  write(best, scales, quants);
}

}  // namespace

// Eight bits leave little to choose: the extreme at the end of the range or just short of it.
void quantise_q8(const WeightGroup& weights, std::uint16_t* scales, QuantGroup& quants) noexcept {
  static constexpr float kLevels[] = {127.0F, 126.75F, 126.5F};
  search(weights, kLevels, 3, -127.0F, 127.0F, scales, quants);
}

// Four bits: the extreme takes the longer, negative end or the shorter one, and may be clipped where that
// serves the others.
void quantise_q4(const WeightGroup& weights, std::uint16_t* scales, QuantGroup& quants) noexcept {
  static constexpr float kLevels[] = {-8.0F, -8.4F, -8.8F, -9.2F, -7.6F, -7.2F, -6.8F, 7.0F, 7.4F, 7.8F};
  search(weights, kLevels, 10, -8.0F, 7.0F, scales, quants);
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

std::uint16_t narrow_bf16(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

}  // namespace moe::kernels
