// Rounding of numbers to the narrower forms of weights and activations: one definition for every table.
#pragma once

#include <cstdint>

#include "kernels/compute.h"
#include "kernels/numerics.h"

namespace moe::kernels {

// One group of weights of each of the 16 rows of a tile.
using WeightGroup = float[kQuantGroup][kLanes];
using QuantGroup = std::int8_t[kQuantGroup][kLanes];

// Quants in [-127, 127] (q8) or [-8, 7] (q4) and the bits of f16 scales, chosen among candidates for the
// least squared error. A group of zeros gets the scale zero; one with a weight that is not finite, or too large for
// a scale in f16, gets the scale NaN and quants of zero.
void quantise_q8(const WeightGroup& weights, std::uint16_t* scales, QuantGroup& quants) noexcept;
void quantise_q4(const WeightGroup& weights, std::uint16_t* scales, QuantGroup& quants) noexcept;

// Round to nearest, ties to even; what is too large becomes infinite, NaN stays NaN.
std::uint16_t narrow_f16(float value) noexcept;
std::uint16_t narrow_bf16(float value) noexcept;

// Activations: scale = amax / 127 without the two lowest bits of its significand, quant = round(x * (127 / amax)),
// ties to even. Where amax is below kLeastAmax all is zero; where it is kMostAmax or more, infinite or NaN, the
// scale is NaN and the quants are zero.
inline constexpr float kLeastAmax = 0x1p-96F, kMostAmax = 0x1p96F;
inline constexpr std::uint32_t kInputScaleBits = ~std::uint32_t{3};  // of a scale's bits, those that may be set

}  // namespace moe::kernels
