// How the 16 rows of a tile lie in memory; private to kernels/.
//
//   f32, f16  [k][16]
//   bf16      [ceil(k / 2)][16][2]: two neighbours in k side by side for each row, so that one 32-bit lane
//   widens
//             to both with a shift and a mask, and the bf16 dot instructions take the lane as it is
//   q8, q4    f16 scales [groups][16], padded to 64 bytes, then for each group of 32 inputs the quants in
//   quads of
//             four neighbours in k, plus 128 (q8) or 8 (q4): q8 [8 quads][16][4] bytes; q4 [4][16][4] bytes
//             whose low nibbles hold quad j and whose high ones quad j + 4. Unsigned bytes of quads are the
//             operand of the int8 dot instructions.
//
// Rows past the end are zero, and so are inputs past the end: the odd k of a pair, the rest of a group. Tiles begin an odd
// number of lines of 64 bytes apart; what lies between two of them is zero.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/packed_matrix.h"

namespace moe::kernels {

constexpr std::int64_t quant_groups(std::int64_t cols) noexcept {
  return (cols + kQuantGroup - 1) / kQuantGroup;
}
constexpr std::int64_t scale_bytes(std::int64_t cols) noexcept {
  return (quant_groups(cols) * kLanes * 2 + 63) / 64 * 64;
}
// Bytes of the quants of one group of a tile.
constexpr std::int64_t group_bytes(WeightType type) noexcept {
  return type == WeightType::q8 ? kQuantGroup * kLanes : kQuantGroup * kLanes / 2;
}

inline const std::uint16_t* tile_scales(const std::byte* tile) noexcept {
  return reinterpret_cast<const std::uint16_t*>(tile);
}
// The stored, offset quant of input k and row `lane`.
inline int quant_at(WeightType type, const std::byte* quants, std::int64_t k, int lane) noexcept {
  const std::int64_t group = k / kQuantGroup;
  const int quad = static_cast<int>(k % kQuantGroup) / 4, at = lane * 4 + static_cast<int>(k % 4);
  if (type == WeightType::q8) {
    return static_cast<int>(quants[group * group_bytes(type) + quad * 4 * kLanes + at]);
  }
  const int both = static_cast<int>(quants[group * group_bytes(type) + quad % 4 * 4 * kLanes + at]);
  return quad < 4 ? both & 15 : both >> 4;
}
constexpr int quant_offset(WeightType type) noexcept { return type == WeightType::q8 ? 128 : 8; }

// Weights k in [k_begin, k_end) of a tile, widened: weights[k - k_begin][16]. The reference of every kernel.
void widen_tile(const PackedMatrix& w, std::int64_t tile, std::int64_t k_begin, std::int64_t k_end,
                float (*weights)[kLanes]) noexcept;

}  // namespace moe::kernels
