// Scalar forms of the operations in numerics.h: exp and its relatives, the 16-chain reductions, widening.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/numerics.h"

namespace moe::kernels {

inline float max_f32(float a, float b) noexcept { return a > b ? a : b; }

inline float exp_f32(float x) noexcept {
  if (x != x) return x;
  if (x < kExpLow) return 0.0F;
  if (x > kExpHigh) return std::numeric_limits<float>::infinity();
  const float t = std::fma(x, kLog2E, kRoundMagic);
  const float n = t - kRoundMagic;
  const float r = std::fma(n, -kLn2Low, std::fma(n, -kLn2High, x));
  float p = std::fma(kExpP7, r, kExpP6);
  p = std::fma(p, r, kExpP5);
  p = std::fma(p, r, kExpP4);
  p = std::fma(p, r, kExpP3);
  p = std::fma(p, r, kExpP2);
  p = std::fma(p, r * r, r) + 1.0F;
  const std::uint32_t exponent = (std::bit_cast<std::uint32_t>(t) - std::bit_cast<std::uint32_t>(kRoundMagic))
                                 << 23;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + exponent);
}

inline float sigmoid_f32(float x) noexcept { return 1.0F / (1.0F + exp_f32(-x)); }
inline float silu_f32(float x) noexcept { return x / (1.0F + exp_f32(-x)); }

inline float gelu_tanh_f32(float x) noexcept {
  const float u = kGeluTwoSqrt2OverPi * std::fma(kGeluCubic * (x * x), x, x);
  return x / (1.0F + exp_f32(-u));
}

inline float tanh_f32(float x) noexcept {
  const float magnitude = std::fabs(x);
  const float z = x * x;
  float p = std::fma(kTanhP4, z, kTanhP3);
  p = std::fma(p, z, kTanhP2);
  p = std::fma(p, z, kTanhP1);
  p = std::fma(p, z, kTanhP0);
  const float small = std::fma(p * z, x, x);
  const float large = 1.0F - 2.0F / (exp_f32(magnitude + magnitude) + 1.0F);
  return magnitude < kTanhSmall ? small : std::copysign(large, x);
}

// The fixed tree over 16 partial sums or maxima.
template <typename Combine>
float tree16(const float* p, Combine combine) noexcept {
  float t[8];
  for (int i = 0; i < 8; ++i) t[i] = combine(p[i], p[i + 8]);
  for (int i = 0; i < 4; ++i) t[i] = combine(t[i], t[i + 4]);
  for (int i = 0; i < 2; ++i) t[i] = combine(t[i], t[i + 2]);
  return combine(t[0], t[1]);
}
inline float tree_sum(const float* p) noexcept {
  return tree16(p, [](float a, float b) { return a + b; });
}
inline float tree_max(const float* p) noexcept { return tree16(p, max_f32); }

inline float widen_bf16(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// The nearest bf16, ties to even, as a float; of NaN a quiet one.
inline float round_bf16(float x) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U;
  // Of integers, so that loops of it become vectors.
  return std::bit_cast<float>((bits & 0x7FFFFFFFU) > 0x7F800000U ? bits | 0x400000U : rounded);
}

inline std::uint16_t bf16_bits(float x) noexcept {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(round_bf16(x)) >> 16);
}

// Exact; a signalling NaN becomes quiet, as the F16C instruction has it.
inline float widen_f16(std::uint16_t bits) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1FU;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  if (exponent == 31) {
    return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13) | (mantissa != 0 ? 0x400000U : 0U));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

template <typename T>
T load_unaligned(const void* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace moe::kernels
