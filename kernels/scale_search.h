// The search for scales of quantised weights, once for each instruction set; private to kernels/ and its
// tests.
#pragma once

#include <span>

#include "kernels/quantise.h"

namespace moe::kernels {

// Of `count` levels that the extreme of a group may be given, and the fit to each one's quants, the scales of
// the least squared error: scales[16], halves as floats, and their quants in [low, high].
using ScaleSearch = void (*)(const WeightGroup& weights, const float* levels, int count, float low,
                             float high, float* scales, QuantGroup& quants) noexcept;

// Those this processor can run, the generic one first and the best one last. All give the same bits.
std::span<const ScaleSearch> scale_searches() noexcept;

}  // namespace moe::kernels
