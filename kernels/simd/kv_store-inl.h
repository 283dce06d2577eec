// Keys and values of several positions on their way into a block of the cache: 16 positions make whole cache lines, which
// single ones would visit one by one. Included inside a target region; see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

// The next 16 or (in pairs of bf16) 32 components of a row from d on, of `d_k`, zeros behind the last.
template <KvType S>
inline Vec key_line(const float* row, std::int64_t d, std::int64_t d_k) {
  constexpr std::int64_t kStep = S == KvType::bf16 ? 2 * kLanes : kLanes;
  alignas(64) float padded[kStep];
  const float* from = row + d;
  if (d + kStep > d_k) {
    std::fill(std::copy_n(from, d_k - d, padded), padded + kStep, 0.0F);
    from = padded;
  }
  if constexpr (S == KvType::bf16) {
    Vec even, odd;
    load_pairs(from, &even, &odd);
    return join_bf16(even, odd);
  } else {
    return load(from);
  }
}

// Keys of the 16 positions of a tile.
template <KvType S>
void store_key_tile(std::byte* tile, std::int64_t d_k, const float* keys, std::ptrdiff_t stride) {
  constexpr std::int64_t kStep = S == KvType::bf16 ? 2 * kLanes : kLanes;
  auto* to = reinterpret_cast<float*>(tile);
  alignas(64) float rows[kLanes * kLanes], lines[kLanes * kLanes];
  for (std::int64_t d = 0; d < d_k; d += kStep, to += kLanes * kLanes) {
    for (std::int64_t i = 0; i < kLanes; ++i) store(rows + i * kLanes, key_line<S>(keys + i * stride, d, d_k));
    if (d + kStep <= d_k) {
      transpose16(rows, to);
    } else {
      transpose16(rows, lines);
      std::copy_n(lines, (d_k - d + kStep / kLanes - 1) / (kStep / kLanes) * kLanes, to);
    }
  }
}

void store_keys(KvType type, std::byte* block, std::int64_t d_k, int slot, int count, const float* keys,
                std::ptrdiff_t stride) {
  for (int done = 0; done < count;) {
    const int at = slot + done;
    const float* from = keys + done * stride;
    if (type == KvType::q8 || at % kLanes != 0 || count - done < kLanes) {
      store_key(type, block, d_k, at, from);
      ++done;
      continue;
    }
    if (type == KvType::bf16) {
      store_key_tile<KvType::bf16>(block + at / kLanes * ((d_k + 1) / 2) * kLanes * 4, d_k, from, stride);
    } else {
      store_key_tile<KvType::f32>(block + at * d_k * 4, d_k, from, stride);
    }
    done += kLanes;
  }
}

void store_values(KvType type, std::byte* block, std::int64_t d_v, int slot, int count, const float* values,
                  std::ptrdiff_t stride) {
  for (int done = 0; done < count;) {
    const int at = slot + done;
    const float* from = values + done * stride;
    if (type != KvType::bf16 || at % 2 != 0 || done + 1 == count) {
      store_value(type, block, d_v, at, from);
      ++done;
      continue;
    }
    auto* to = reinterpret_cast<float*>(block) + at / 2 * kLanes;  // tiles of 16 pairs of positions
    for (std::int64_t d = 0; d < d_v; d += kLanes, to += kKvBlock / 2 * kLanes) {
      const std::int64_t left = d_v - d;
      const auto part = [&](const float* row) { return left < kLanes ? load_partial(row + d, left) : load(row + d); };
      store(to, join_bf16(part(from), part(from + stride)));
    }
    done += 2;
  }
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
