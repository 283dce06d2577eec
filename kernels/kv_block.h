// One block of the KV cache: kKvBlock positions of one (layer, kv head), keys and values apart.
//
// The layouts are private to kernels/: others write with store_key and store_value, or several positions with those of a
// kernel table, and copy blocks whole.
//   f32   keys two tiles of 16 positions [2][d_k][16]; values tiles of 16 components [ceil(d_v / 16)][32][16]
//   bf16  rounded to nearest even; two neighbours in the summed dimension side by side, which is what the
//   bf16
//         dot products read: keys [2][ceil(d_k / 2)][16][2], values [ceil(d_v / 16)][16][16][2]
//   q8    a scale for each position, f32 [32], in a cache line's whole number, then int8 in the order of f32:
//         x = scale * q, scale = max |x| / 127, q rounded to nearest even
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/numerics.h"

namespace moe::kernels {

enum class KvType : std::uint8_t { f32, bf16, q8 };

const char* kv_type_name(KvType type) noexcept;

// Bytes of one block, a multiple of 64.
std::int64_t key_block_bytes(KvType type, std::int64_t d_k) noexcept;
std::int64_t value_block_bytes(KvType type, std::int64_t d_v) noexcept;
// Bytes that one position's vector of d components takes, padding left out: for counting costs.
std::int64_t kv_vector_bytes(KvType type, std::int64_t d) noexcept;

// Writes the key or value of slot (position mod kKvBlock) into a block; several slots at once from several
// threads are safe for f32 and q8, and for bf16 keys; bf16 values of a slot pair (2 i, 2 i + 1) share words
// but not bytes, so they are too.
void store_key(KvType type, std::byte* block, std::int64_t d_k, int slot, const float* key) noexcept;
void store_value(KvType type, std::byte* block, std::int64_t d_v, int slot, const float* value) noexcept;
// Reads a vector back as stored, before its scale, and returns the scale (1 unless q8).
float load_key(KvType type, const std::byte* block, std::int64_t d_k, int slot, float* key) noexcept;
float load_value(KvType type, const std::byte* block, std::int64_t d_v, int slot, float* value) noexcept;

// Where the q8 quants begin: behind the scales.
inline constexpr std::int64_t kKvScaleBytes = kKvBlock * static_cast<std::int64_t>(sizeof(float));

}  // namespace moe::kernels
