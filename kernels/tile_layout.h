// How the 16 rows of a tile lie in memory; private to kernels/.
//
//   f32, f16  [k][16]
//   bf16      [ceil(k / 2)][16][2]: two neighbours in k side by side for each row, so that one 32-bit lane
//   widens
//             to both with a shift and a mask, and the bf16 dot instructions take the lane as it is
//   q8, q4    pairs of groups of 32 inputs: the f16 scales of both [2][16], a line of 64 bytes, then the quants of
//             the one and of the other (the last may be absent), so that a tile is read in one stream. A group's
//             quants lie in quads of four neighbours in k, plus 128 (q8) or 8 (q4): q8 [8 quads][16][4] bytes; q4
//             [4][16][4] bytes whose low nibbles hold quad j and whose high ones quad j + 4. Unsigned bytes of
//             quads are the operand of the int8 dot instructions.
//
// Rows past the end are zero, and so are inputs past the end: the odd k of a pair, the rest of a group, the scales of an
// absent group. Tiles begin an odd number of lines of 64 bytes apart; what lies between two of them is zero.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/packed_matrix.h"

namespace moe::kernels {

constexpr std::int64_t quant_groups(std::int64_t cols) noexcept {
  return (cols + kQuantGroup - 1) / kQuantGroup;
}
// Bytes of the quants of one group of a tile.
constexpr std::int64_t group_bytes(WeightType type) noexcept {
  return type == WeightType::q8 ? kQuantGroup * kLanes : kQuantGroup * kLanes / 2;
}

// The scales of two groups, and both groups whole.
inline constexpr std::int64_t kPairScaleBytes = 2 * kLanes * 2;
constexpr std::int64_t pair_bytes(WeightType type) noexcept { return kPairScaleBytes + 2 * group_bytes(type); }
constexpr std::int64_t quantised_tile_bytes(WeightType type, std::int64_t cols) noexcept {
  const std::int64_t groups = quant_groups(cols);
  return (groups + 1) / 2 * kPairScaleBytes + groups * group_bytes(type);
}
// Where a group's scales and quants begin in a tile.
constexpr std::int64_t scales_offset(WeightType type, std::int64_t group) noexcept {
  return group / 2 * pair_bytes(type) + group % 2 * kLanes * 2;
}
constexpr std::int64_t quants_offset(WeightType type, std::int64_t group) noexcept {
  return group / 2 * pair_bytes(type) + kPairScaleBytes + group % 2 * group_bytes(type);
}
inline const std::uint16_t* group_scales(WeightType type, const std::byte* tile, std::int64_t group) noexcept {
  return reinterpret_cast<const std::uint16_t*>(tile + scales_offset(type, group));
}
// The stored, offset quant of input k and row `lane`.
inline int quant_at(WeightType type, const std::byte* tile, std::int64_t k, int lane) noexcept {
  const std::byte* quants = tile + quants_offset(type, k / kQuantGroup);
  const int quad = static_cast<int>(k % kQuantGroup) / 4, at = lane * 4 + static_cast<int>(k % 4);
  if (type == WeightType::q8) return static_cast<int>(quants[quad * 4 * kLanes + at]);
  const int both = static_cast<int>(quants[quad % 4 * 4 * kLanes + at]);
  return quad < 4 ? both & 15 : both >> 4;
}
constexpr int quant_offset(WeightType type) noexcept { return type == WeightType::q8 ? 128 : 8; }

// Weights k in [k_begin, k_end) of a tile, widened: weights[k - k_begin][16]. The reference of every kernel.
void widen_tile(const PackedMatrix& w, std::int64_t tile, std::int64_t k_begin, std::int64_t k_end,
                float (*weights)[kLanes]) noexcept;

}  // namespace moe::kernels
