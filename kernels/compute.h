// What weights are stored as, and what a product of them computes in.
#pragma once

#include <cstdint>

namespace moe::kernels {

// q8 and q4: groups of 32 neighbours along the inputs, symmetric integers times one f16 scale a group.
enum class WeightType : std::uint8_t { f32, f16, bf16, q8, q4 };

// f32: weights widened exactly, f32 chains. bf16: weights and activations rounded to bf16, f32 sums. int8:
// activations quantised a row and group of 32, exact integer sums a group. kernels/numerics.h has the orders
// of the sums.
enum class Compute : std::uint8_t { f32, bf16, int8 };

inline constexpr int kQuantGroup = 32;

const char* weight_type_name(WeightType type) noexcept;
const char* compute_name(Compute compute) noexcept;

// What weights of this type really compute in where `asked` is wanted: types that would lose bits keep to
// f32, and what has no integers of its own runs in bf16 beside int8.
constexpr Compute product_compute(WeightType type, Compute asked) noexcept {
  switch (type) {
    case WeightType::f32:
    case WeightType::f16:
      return Compute::f32;
    case WeightType::bf16:
      return asked == Compute::f32 ? Compute::f32 : Compute::bf16;
    case WeightType::q8:
    case WeightType::q4:
      return asked;
  }
  return Compute::f32;
}

// Bytes of a [rows, cols] matrix as stored, scales included, without the padding of tiles.
std::int64_t stored_bytes(WeightType type, std::int64_t rows, std::int64_t cols) noexcept;

}  // namespace moe::kernels
