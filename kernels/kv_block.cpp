#include "kernels/kv_block.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/scalar_math.h"

namespace moe::kernels {
namespace {

constexpr std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

std::int64_t element_bytes(KvType type) noexcept {
  return type == KvType::f32 ? 4 : type == KvType::bf16 ? 2 : 1;
}
std::int64_t scale_bytes(KvType type) noexcept { return type == KvType::q8 ? kKvScaleBytes : 0; }

// Index of component d of the key of `slot`, and of the value, counted in elements.
std::int64_t key_index(KvType type, std::int64_t d_k, int slot, std::int64_t d) noexcept {
  const int half = slot / kLanes, lane = slot % kLanes;
  if (type == KvType::bf16) return ((half * ((d_k + 1) / 2) + d / 2) * kLanes + lane) * 2 + d % 2;
  return (half * d_k + d) * kLanes + lane;
}
std::int64_t value_index(KvType type, int slot, std::int64_t d) noexcept {
  const std::int64_t tile = d / kLanes, lane = d % kLanes;
  if (type == KvType::bf16) return ((tile * (kKvBlock / 2) + slot / 2) * kLanes + lane) * 2 + slot % 2;
  return (tile * kKvBlock + slot) * kLanes + lane;
}

// Converts x[n] into elements, 16 at a time: place(first, elements). The last ones are padded with zeros.
template <typename Convert, typename Place>
void for_sixteens(const float* x, std::int64_t n, Convert convert, Place place) noexcept {
  decltype(convert(0.0F)) elements[kLanes];
  for (std::int64_t first = 0; first < n; first += kLanes) {
    const std::int64_t count = std::min<std::int64_t>(kLanes, n - first);
    if (count == kLanes) {  // a loop of its own becomes vectors
      for (int i = 0; i < kLanes; ++i) elements[i] = convert(x[first + i]);
    } else {
      for (int i = 0; i < kLanes; ++i) elements[i] = convert(i < count ? x[first + i] : 0.0F);
    }
    place(first, elements);
  }
}

// Writes x[n]: place(data, first, elements) is told where the elements of the block begin, once for each 16.
template <typename Place>
void store(KvType type, std::byte* block, int slot, const float* x, std::int64_t n, Place place) noexcept {
  if (type == KvType::f32) {
    return for_sixteens(x, n, [](float v) { return v; },
                        [&](std::int64_t first, const float* elements) { place(block, first, elements); });
  }
  if (type == KvType::bf16) {
    return for_sixteens(x, n, [](float v) { return bf16_bits(v); },
                        [&](std::int64_t first, const std::uint16_t* elements) { place(block, first, elements); });
  }
  float most = 0.0F;
  bool finite = true;
  for (std::int64_t i = 0; i < n; ++i) {
    most = std::max(most, std::fabs(x[i]));
    finite = finite && std::isfinite(x[i]);
  }
  // What is not finite spoils the whole vector, as it spoils every score in f32.
  reinterpret_cast<float*>(block)[slot] = finite ? most / 127.0F : std::numeric_limits<float>::quiet_NaN();
  const float inverse = finite && most > 0.0F ? 127.0F / most : 0.0F;
  const auto quantised = [&](float v) {
    // An inverse that overflows (denormal vectors) must not reach past the range, nor make NaN of a zero.
    const float q = finite && v != 0.0F ? std::clamp(v * inverse, -127.0F, 127.0F) : 0.0F;
    return static_cast<std::int8_t>((q + kRoundMagic) - kRoundMagic);
  };
  for_sixteens(x, n, quantised, [&](std::int64_t first, const std::int8_t* elements) {
    place(block + kKvScaleBytes, first, elements);
  });
}

template <typename Index>
float load(KvType type, const std::byte* block, int slot, float* x, std::int64_t n, Index index) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    if (type == KvType::f32) {
      x[i] = reinterpret_cast<const float*>(block)[index(i)];
    } else if (type == KvType::bf16) {
      x[i] = widen_bf16(reinterpret_cast<const std::uint16_t*>(block)[index(i)]);
    } else {
      x[i] = static_cast<float>(reinterpret_cast<const std::int8_t*>(block + kKvScaleBytes)[index(i)]);
    }
  }
  return type == KvType::q8 ? reinterpret_cast<const float*>(block)[slot] : 1.0F;
}

}  // namespace

const char* kv_type_name(KvType type) noexcept {
  switch (type) {
    case KvType::f32:
      return "f32";
    case KvType::bf16:
      return "bf16";
    case KvType::q8:
      return "q8";
  }
  return "unknown";
}

std::int64_t key_block_bytes(KvType type, std::int64_t d_k) noexcept {
  const std::int64_t padded = type == KvType::bf16 ? round_up(d_k, 2) : d_k;
  return round_up(scale_bytes(type) + padded * kKvBlock * element_bytes(type), 64);
}
std::int64_t value_block_bytes(KvType type, std::int64_t d_v) noexcept {
  return scale_bytes(type) + round_up(d_v, kLanes) * kKvBlock * element_bytes(type);
}
std::int64_t kv_vector_bytes(KvType type, std::int64_t d) noexcept {
  return d * element_bytes(type) + scale_bytes(type) / kKvBlock;
}

void store_key(KvType type, std::byte* block, std::int64_t d_k, int slot, const float* key) noexcept {
  store(type, block, slot, key, d_k, [=]<typename Element>(std::byte* data, std::int64_t first, const Element* elements) {
    auto* to = reinterpret_cast<Element*>(data) + key_index(type, d_k, slot, first);
    const std::int64_t count = std::min<std::int64_t>(kLanes, d_k - first);
    if constexpr (std::is_same_v<Element, std::uint16_t>) {  // neighbours side by side
      for (std::int64_t i = 0; i < count; i += 2) std::memcpy(to + i * kLanes, elements + i, 2 * sizeof(Element));
    } else {
      for (std::int64_t i = 0; i < count; ++i) to[i * kLanes] = elements[i];
    }
  });
}
void store_value(KvType type, std::byte* block, std::int64_t d_v, int slot, const float* value) noexcept {
  store(type, block, slot, value, d_v, [=]<typename Element>(std::byte* data, std::int64_t first, const Element* elements) {
    auto* to = reinterpret_cast<Element*>(data) + value_index(type, slot, first);
    constexpr int kStride = std::is_same_v<Element, std::uint16_t> ? 2 : 1;  // neighbouring positions side by side
    for (int i = 0; i < kLanes; ++i) to[i * kStride] = elements[i];
  });
}
float load_key(KvType type, const std::byte* block, std::int64_t d_k, int slot, float* key) noexcept {
  return load(type, block, slot, key, d_k, [=](std::int64_t d) { return key_index(type, d_k, slot, d); });
}
float load_value(KvType type, const std::byte* block, std::int64_t d_v, int slot, float* value) noexcept {
  return load(type, block, slot, value, d_v, [=](std::int64_t d) { return value_index(type, slot, d); });
}

}  // namespace moe::kernels
