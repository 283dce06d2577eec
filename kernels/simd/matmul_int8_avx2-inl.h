// Products of quants on AVX2. Included inside a target region; see target.h.
//
// VPMADDUBSW saturates its sums of two products at 16 bits. Quants of q8 go in as magnitudes, with their
// signs moved to the inputs: 2 * 127 * 127 fits. Those of q4 are unsigned below 16, so that even all eight
// pairs of a group fit, 8 * 2 * 15 * 127, and are added up in 16 bits; the group's start then takes their
// offset out. For many rows quants of q8 are cut into two such halves.

namespace moe::kernels::avx2 {
namespace {

inline __m256i load_bytes(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline __m256i broadcast_quad(const std::byte* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof four);
  return _mm256_set1_epi32(four);
}
inline __m256i pairs_to_quads(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
inline void keep_bytes(__m256i& v) { __asm__("" : "+x"(v)); }

// Half of the lanes of a tile and one group: quads[r] = kStart and the exact sums of row r. fetch(i) asks for line i of a
// group ahead.
template <int MR, typename Fetch>
inline void sum_q8(const std::byte* group, const std::byte* x, __m256i (&quads)[MR], Fetch fetch) {
  MOE_UNROLL
  for (int r = 0; r < MR; ++r) quads[r] = _mm256_set1_epi32(InputGroups::kStart);
  MOE_UNROLL
  for (int quad = 0; quad < 8; ++quad) {
    __m256i w = _mm256_xor_si256(load_bytes(group + quad * 4 * kLanes), _mm256_set1_epi8(-128));
    __m256i magnitude = _mm256_abs_epi8(w);
    keep_bytes(w);
    keep_bytes(magnitude);
    fetch(quad);
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      const __m256i input = _mm256_sign_epi8(broadcast_quad(x + r * kBlockK + quad * 4), w);
      quads[r] = _mm256_add_epi32(quads[r], pairs_to_quads(_mm256_maddubs_epi16(magnitude, input)));
      keep_bytes(quads[r]);
    }
  }
}

// The group's integers join eight sums.
inline void add_group(float* sums, __m256i quads, const float* scales, const InputGroups& input, int g) {
  const __m256 value = _mm256_fmadd_ps(_mm256_castsi256_ps(quads), _mm256_set1_ps(input.scale[g]),
                                       _mm256_set1_ps(input.offset[g]));
  _mm256_storeu_ps(sums, _mm256_fmadd_ps(value, _mm256_loadu_ps(scales), _mm256_loadu_ps(sums)));
}

template <int MR, int T>
inline void clear_sums(const MicroArgs& args) {
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) store(args.sums + (r * T + t) * kLanes, zero());
  }
}

// The scales of a tile's group as floats, in `room` where they are not stored so.
inline const float* widened(const std::uint16_t* scales, float* room) {
  store(room, load_f16(scales));
  return room;
}
inline const float* widened(const float* scales, float*) { return scales; }

template <int MR, int T>
struct Q8Kernel {
  static void run(const MicroArgs& given) {
    const MicroArgs args = given;  // a copy, which no store can be thought to change
    if (args.first) clear_sums<MR, T>(args);
    for_groups<MR, T, group_bytes(WeightType::q8), std::uint16_t>(
        args, [&](const std::byte* weights, const std::uint16_t* stored, const std::byte* x,
                  const InputGroups* inputs, int g, const Ahead<MR <= kFewQuantRows, T>& ahead) {
          for (int t = 0; t < T; ++t) {
            alignas(32) float room[kLanes];
            const float* scales = widened(stored + t * args.scale_stride, room);
            for (int half = 0; half < 2; ++half) {
              __m256i quads[MR];
              sum_q8<MR>(weights + t * args.tile_stride + half * 32, x, quads, [&](int quad) __attribute__((always_inline)) {
                if (quad % 2 == 0) ahead.fetch(t, (half * 4 + quad / 2) * 64);
              });
              MOE_UNROLL
              for (int r = 0; r < MR; ++r) {
                add_group(args.sums + (r * T + t) * kLanes + half * 8, quads[r], scales + half * 8, inputs[r],
                          g);
              }
            }
          }
        });
  }
};

// For many rows, quants of q8 are cut into their low and high nibbles: unsigned and small enough to be added up in 16 bits, two
// operations for each where moving signs and widening takes three. [half of the lanes][quad][low, high][32 bytes]
constexpr std::int64_t kPlanesBytes = 2 * group_bytes(WeightType::q8);
constexpr std::int64_t planes_offset(std::int64_t group) {
  return group / 2 * (kPairScaleBytes + 2 * kPlanesBytes) + kPairScaleBytes + group % 2 * kPlanesBytes;
}

void unpack_planes(const PackedMatrix& w, std::int64_t tile, std::int64_t k, std::int64_t count, std::byte* out) {
  const std::byte* stored = w.tile(tile) + quants_block_offset<WeightType::q8>(k);
  const __m256i nibble = _mm256_set1_epi8(15);
  for (std::int64_t group = 0; group < quant_groups(count); ++group) {
    const std::byte* from = stored + quants_offset(WeightType::q8, group);
    auto* to = reinterpret_cast<__m256i*>(out + planes_offset(group));
    for (int half = 0; half < 2; ++half) {
      MOE_UNROLL
      for (int quad = 0; quad < 8; ++quad, to += 2) {
        const __m256i both = load_bytes(from + quad * 4 * kLanes + half * 32);
        _mm256_storeu_si256(to, _mm256_and_si256(both, nibble));
        _mm256_storeu_si256(to + 1, _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble));
      }
    }
  }
}

// All lanes of a tile and one group of q4, as nibbles of quads j and j + 4 or as bytes; fetch as above.
template <int MR, bool nibbles, typename Fetch>
inline void sum_q4(const std::byte* group, const std::byte* x, __m256i (&low)[MR], __m256i (&high)[MR], Fetch fetch) {
  const __m256i nibble = _mm256_set1_epi8(15);
  MOE_UNROLL
  for (int r = 0; r < MR; ++r) low[r] = high[r] = _mm256_setzero_si256();
  MOE_UNROLL
  for (int quad = 0; quad < 8; ++quad) {
    __m256i w_low = load_bytes(group + (nibbles ? quad % 4 : quad) * 4 * kLanes);
    __m256i w_high = load_bytes(group + (nibbles ? quad % 4 : quad) * 4 * kLanes + 32);
    if constexpr (nibbles) {
      w_low = _mm256_and_si256(quad < 4 ? w_low : _mm256_srli_epi16(w_low, 4), nibble);
      w_high = _mm256_and_si256(quad < 4 ? w_high : _mm256_srli_epi16(w_high, 4), nibble);
    }
    keep_bytes(w_low);
    keep_bytes(w_high);
    if (!nibbles || quad % 2 == 0) fetch(nibbles ? quad / 2 : quad);
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      const __m256i input = broadcast_quad(x + r * kBlockK + quad * 4);
      low[r] = _mm256_add_epi16(low[r], _mm256_maddubs_epi16(w_low, input));
      high[r] = _mm256_add_epi16(high[r], _mm256_maddubs_epi16(w_high, input));
      keep_bytes(low[r]);
      keep_bytes(high[r]);
    }
  }
}

// The planes of half the lanes lie as all lanes of q4 in bytes do: the low one as their first half, the high one as the second.
template <int MR, int T>
struct PlanesKernel {
  static void run(const MicroArgs& given) {
    const MicroArgs args = given;  // a copy, which no store can be thought to change
    if (args.first) clear_sums<MR, T>(args);
    for_groups<MR, T, kPlanesBytes, float>(args, [&](const std::byte* planes, const float* scales, const std::byte* x,
                                                     const InputGroups* inputs, int g, const Ahead<MR <= kFewQuantRows, T>&) {
      for (int t = 0; t < T; ++t) {
        for (int half = 0; half < 2; ++half) {
          __m256i low[MR], high[MR];
          sum_q4<MR, false>(planes + t * args.tile_stride + half * kPlanesBytes / 2, x, low, high, [](int) {});
          MOE_UNROLL
          for (int r = 0; r < MR; ++r) {
            const __m256i quads = _mm256_add_epi32(pairs_to_quads(low[r]), _mm256_madd_epi16(high[r], _mm256_set1_epi16(16)));
            add_group(args.sums + (r * T + t) * kLanes + half * 8,
                      _mm256_add_epi32(_mm256_set1_epi32(inputs[r].start_q8[g]), quads), scales + t * args.scale_stride + half * 8,
                      inputs[r], g);
          }
        }
      }
    });
  }
};

template <bool nibbles, typename Scale>
struct Q4Kernels {
  template <int MR, int T>
  struct Kernel {
    static constexpr std::int64_t kGroupBytes = group_bytes(nibbles ? WeightType::q4 : WeightType::q8);

    static void run(const MicroArgs& given) {
      const MicroArgs args = given;  // a copy, which no store can be thought to change
      if (args.first) clear_sums<MR, T>(args);
      for_groups<MR, T, kGroupBytes, Scale>(args, [&](const std::byte* weights, const Scale* stored,
                                                      const std::byte* x, const InputGroups* inputs, int g,
                                                      const Ahead<MR <= kFewQuantRows, T>& ahead) {
        for (int t = 0; t < T; ++t) {
          __m256i low[MR], high[MR];
          sum_q4<MR, nibbles>(weights + t * args.tile_stride, x, low, high,
                              [&](int line) __attribute__((always_inline)) { ahead.fetch(t, line * 64); });
          alignas(32) float room[kLanes];
          const float* scales = widened(stored + t * args.scale_stride, room);
          MOE_UNROLL
          for (int r = 0; r < MR; ++r) {
            const __m256i start = _mm256_set1_epi32(inputs[r].start_q4[g]);
            float* sums = args.sums + (r * T + t) * kLanes;
            add_group(sums, _mm256_add_epi32(start, pairs_to_quads(low[r])), scales, inputs[r], g);
            add_group(sums + 8, _mm256_add_epi32(start, pairs_to_quads(high[r])), scales + 8, inputs[r], g);
          }
        }
      });
    }
  };
};

// One block of nibbles as bytes.
void unpack_nibbles(const PackedMatrix& w, std::int64_t tile, std::int64_t k, std::int64_t count,
                    std::byte* out) {
  const std::byte* stored = w.tile(tile) + quants_block_offset<WeightType::q4>(k);
  const __m256i nibble = _mm256_set1_epi8(15);
  for (std::int64_t group = 0; group < quant_groups(count); ++group) {
    const std::byte* from = stored + quants_offset(WeightType::q4, group);
    std::byte* to = out + quants_offset(WeightType::q8, group);
    MOE_UNROLL
    for (int v = 0; v < 8; ++v) {
      const __m256i both = load_bytes(from + v * 32);
      auto* bytes = reinterpret_cast<__m256i*>(to) + v;
      _mm256_storeu_si256(bytes, _mm256_and_si256(both, nibble));
      _mm256_storeu_si256(bytes + 8, _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble));
    }
  }
}

constexpr std::int64_t kInt8Rows = 240;
constexpr Family kQ8Family = {kMicros<Q8Kernel, 8, 8>,
                              kMicros<PlanesKernel, 6, 6>,
                              planes_offset(kBlockK / kQuantGroup) - kPairScaleBytes,
                              quants_block_offset<WeightType::q8>,
                              unpack_planes,
                              kInt8Rows};
constexpr Family kQ4Family = {kMicros<Q4Kernels<true, std::uint16_t>::Kernel, 6, 6>,
                              kMicros<Q4Kernels<false, float>::Kernel, 6, 6>,
                              quants_block_offset<WeightType::q8>(kBlockK),
                              quants_block_offset<WeightType::q4>,
                              unpack_nibbles,
                              kInt8Rows};

const Family& int8_family(WeightType type) { return type == WeightType::q8 ? kQ8Family : kQ4Family; }

// The peak: unsigned by signed bytes to pairs, pairs to quads, quads added up.
float burn_int8(std::int64_t iterations) {
  constexpr int kSums = kChains * 2;
  __m256i quants = _mm256_set1_epi8(3), weights = _mm256_set1_epi8(5);
  __m256i sums[kSums];
  MOE_UNROLL
  for (int c = 0; c < kSums; ++c) sums[c] = _mm256_set1_epi32(c);
  for (std::int64_t i = 0; i < iterations; ++i) {
    MOE_UNROLL
    for (int c = 0; c < kSums; ++c) {
      keep_bytes(quants);  // the operands may have changed
      sums[c] = _mm256_add_epi32(sums[c], pairs_to_quads(_mm256_maddubs_epi16(weights, quants)));
      keep_bytes(sums[c]);
    }
  }
  MOE_UNROLL
  for (int c = 1; c < kSums; ++c) sums[0] = _mm256_add_epi32(sums[0], sums[c]);
  return static_cast<float>(_mm256_cvtsi256_si32(sums[0]));
}

constexpr RooflineKernels::Burn kBurnInt8 = {burn_int8, std::int64_t{2} * 4 * kLanes* kChains};

}  // namespace
}  // namespace moe::kernels::avx2
