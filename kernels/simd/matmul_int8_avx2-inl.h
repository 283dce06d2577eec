// Products of quants on AVX2. Included inside a target region; see target.h.
//
// VPMADDUBSW saturates its sums of two products at 16 bits. Quants of q8 go in as magnitudes, with their
// signs moved to the inputs: 2 * 127 * 127 fits. Those of q4 are unsigned below 16, so that even all eight
// pairs of a group fit, 8 * 2 * 15 * 127, and are added up in 16 bits; the group's start then takes their
// offset out.

namespace moe::kernels::avx2 {
namespace {

inline __m256i load_bytes(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline __m256i broadcast_quad(const std::byte* x) { return _mm256_set1_epi32(load_unaligned<std::int32_t>(x)); }
inline __m256i broadcast_eight(const std::byte* x) { return _mm256_set1_epi64x(load_unaligned<std::int64_t>(x)); }
inline __m256i pairs_to_quads(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
// Holds the compiler to a value in a register.
template <typename Register>
inline void keep(Register& v) {
  __asm__("" : "+x"(v));
}

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
    keep(w);
    keep(magnitude);
    fetch(quad);
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      const __m256i input = _mm256_sign_epi8(broadcast_quad(x + r * kBlockK + quad * 4), w);
      quads[r] = _mm256_add_epi32(quads[r], pairs_to_quads(_mm256_maddubs_epi16(magnitude, input)));
      keep(quads[r]);
    }
  }
}

// A group's integers join eight sums.
inline void add_eight(float* sums, __m256i quads, __m256 scales, __m256 input, __m256 offset) {
  const __m256 value = _mm256_fmadd_ps(_mm256_castsi256_ps(quads), input, offset);
  _mm256_storeu_ps(sums, _mm256_fmadd_ps(value, scales, _mm256_loadu_ps(sums)));
}
// A group's integers, integers(half, r), join MR rows of sums `stride` floats apart.
template <int MR, int stride, typename Integers>
inline __attribute__((always_inline)) void add_group(float* sums, Vec scale, const InputGroups* inputs, int g, Integers integers) {
  keep_order(scale);
  MOE_UNROLL
  for (int r = 0; r < MR; ++r, sums += stride) {
    __m256 input = _mm256_set1_ps(inputs[r].scale[g]), offset = _mm256_set1_ps(inputs[r].offset[g]);
    keep(input);
    keep(offset);
    add_eight(sums, integers(0, r), scale.lo, input, offset);
    add_eight(sums + 8, integers(1, r), scale.hi, input, offset);
    __asm__ volatile("" : : : "memory");  // else the compiler keeps a second copy of the sums, on the stack
  }
}

template <int MR, int T>
inline void clear_sums(const MicroArgs& args) {
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) store(args.sums + (r * T + t) * kLanes, zero());
  }
}

template <int MR, int T>
struct Q8Kernel {
  static void run(const MicroArgs& args) {
    if (args.first) clear_sums<MR, T>(args);
    float* sums = args.sums;
    const std::int64_t tile_stride = args.tile_stride, scale_stride = args.scale_stride;
    for_groups<MR, T, group_bytes(WeightType::q8), std::uint16_t>(
        args, [=](const std::byte* weights, const std::uint16_t* stored, const std::byte* x,
                  const InputGroups* inputs, int g, const Ahead<MR <= kFewQuantRows, T>& ahead) {
          for (int t = 0; t < T; ++t) {
            const Vec scale = load_scales(stored + t * scale_stride);
            for (int half = 0; half < 2; ++half) {
              __m256i quads[MR];
              sum_q8<MR>(weights + t * tile_stride + half * 32, x, quads, [&](int quad) __attribute__((always_inline)) {
                if (quad % 2 == 0) ahead.fetch(t, (half * 4 + quad / 2) * 64);
              });
              MOE_UNROLL
              for (int r = 0; r < MR; ++r) {
                add_eight(sums + (r * T + t) * kLanes + half * 8, quads[r], half == 0 ? scale.lo : scale.hi,
                          _mm256_set1_ps(inputs[r].scale[g]), _mm256_set1_ps(inputs[r].offset[g]));
              }
            }
          }
        });
  }
};

// For many rows, quants of q8 are unpacked as magnitudes, and for each byte the place of its input in eight: the four inputs of a
// quad and the same negated. A shuffle then moves signs, where multiplications leave it room: there are two for each product of 32
// bytes, the second one for widening, and they, signs moved by VPSIGN and some of the additions wait for the same units.
// Weights: [quad][half of the lanes][magnitudes, places][32 bytes]; inputs: [quad][inputs, negated inputs][4 bytes].
constexpr std::int64_t kPlacedBytes = 2 * group_bytes(WeightType::q8);
constexpr std::int64_t kNegatedBytes = 2 * kBlockK;  // of a row and block
constexpr std::int64_t placed_offset(std::int64_t group) {
  return group / 2 * (kPairScaleBytes + 2 * kPlacedBytes) + kPairScaleBytes + group % 2 * kPlacedBytes;
}

void unpack_placed(const PackedMatrix& w, std::int64_t tile, std::int64_t k, std::int64_t count, std::byte* out) {
  const std::byte* stored = w.tile(tile) + quants_block_offset<WeightType::q8>(k);
  const __m256i places = _mm256_set1_epi32(0x03020100);
  for (std::int64_t group = 0; group < quant_groups(count); ++group) {
    const std::byte* from = stored + quants_offset(WeightType::q8, group);
    auto* to = reinterpret_cast<__m256i*>(out + placed_offset(group));
    MOE_UNROLL
    for (int i = 0; i < 16; ++i) {  // by quad and half of the lanes
      const __m256i quants = _mm256_xor_si256(load_bytes(from + i * 32), _mm256_set1_epi8(-128));
      const __m256i negative = _mm256_and_si256(_mm256_cmpgt_epi8(_mm256_setzero_si256(), quants), _mm256_set1_epi8(4));
      _mm256_storeu_si256(to + 2 * i, _mm256_abs_epi8(quants));
      _mm256_storeu_si256(to + 2 * i + 1, _mm256_or_si256(places, negative));
    }
  }
}

void negate_inputs(const std::byte* x, std::int64_t row_bytes, std::int64_t rows, std::byte* out) {
  for (std::int64_t r = 0; r < rows; ++r, x += row_bytes, out += kNegatedBytes) {
    auto* to = reinterpret_cast<__m256i*>(out);
    MOE_UNROLL
    for (int at = 0; at < kBlockK; at += 32, to += 2) {
      // Unpacking works within halves: quads 0 1 4 5 2 3 6 7 come out in order.
      const __m256i inputs = _mm256_permute4x64_epi64(load_bytes(x + at), 0xD8);
      const __m256i negated = _mm256_sub_epi8(_mm256_setzero_si256(), inputs);
      _mm256_storeu_si256(to, _mm256_unpacklo_epi32(inputs, negated));
      _mm256_storeu_si256(to + 1, _mm256_unpackhi_epi32(inputs, negated));
    }
  }
}

// Signs of half of a tile's lanes are moved to the inputs of a quad, and products become its integers.
inline __m256i placed_products(__m256i magnitudes, __m256i places, __m256i inputs) {
  return pairs_to_quads(_mm256_maddubs_epi16(magnitudes, _mm256_shuffle_epi8(inputs, places)));
}

template <int MR, int T>
struct PlacedKernel {
  static void run(const MicroArgs& args) {
    if (args.first) clear_sums<MR, T>(args);
    float* sums = args.sums;
    const std::int64_t tile_stride = args.tile_stride, scale_stride = args.scale_stride;
    for_groups<MR, T, kPlacedBytes, float, kNegatedBytes>(args, [=](const std::byte* weights, const float* scales, const std::byte* x,
                                                                   const InputGroups* inputs, int g, const auto&) {
      for (int t = 0; t < T; ++t) {
        __m256i quads[2][MR];
        sum_placed(weights + t * tile_stride, x, quads);
        add_group<MR, T * kLanes>(sums + t * kLanes, load(scales + t * scale_stride), inputs, g,
                                  [&](int half, int r) __attribute__((always_inline)) { return quads[half][r]; });
      }
    });
  }

 private:
  static inline __attribute__((always_inline)) void sum_placed(const std::byte* group, const std::byte* x, __m256i (&quads)[2][MR]) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) quads[0][r] = quads[1][r] = _mm256_set1_epi32(InputGroups::kStart);
    MOE_UNROLL
    for (int quad = 0; quad < 8; ++quad) {
      __m256i w[4];
      MOE_UNROLL
      for (int i = 0; i < 4; ++i) {
        w[i] = load_bytes(group + (quad * 4 + i) * 32);
        keep(w[i]);
      }
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) {
        __m256i inputs = broadcast_eight(x + r * kNegatedBytes + quad * 8);
        keep(inputs);
        MOE_UNROLL
        for (int half = 0; half < 2; ++half) {
          quads[half][r] = _mm256_add_epi32(quads[half][r], placed_products(w[2 * half], w[2 * half + 1], inputs));
          keep(quads[half][r]);
        }
      }
    }
  }
};

// All lanes of a tile and one group of q4, as nibbles of quads j and j + 4 or as bytes; fetch as above.
template <int MR, bool nibbles, typename Fetch>
inline void sum_q4(const std::byte* group, const std::byte* x, __m256i (&quads)[2][MR], Fetch fetch) {
  const __m256i nibble = _mm256_set1_epi8(15);
  MOE_UNROLL
  for (int r = 0; r < MR; ++r) quads[0][r] = quads[1][r] = _mm256_setzero_si256();
  const auto add = [&](__m256i low, __m256i high, int quad) __attribute__((always_inline)) {
    keep(low);
    keep(high);
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      const __m256i input = broadcast_quad(x + r * kBlockK + quad * 4);
      quads[0][r] = _mm256_add_epi16(quads[0][r], _mm256_maddubs_epi16(low, input));
      quads[1][r] = _mm256_add_epi16(quads[1][r], _mm256_maddubs_epi16(high, input));
      keep(quads[0][r]);
      keep(quads[1][r]);
    }
  };
  MOE_UNROLL
  for (int line = 0; line < (nibbles ? 4 : 8); ++line) {
    const __m256i low = load_bytes(group + line * 64), high = load_bytes(group + line * 64 + 32);
    fetch(line);
    if constexpr (nibbles) {
      add(_mm256_and_si256(low, nibble), _mm256_and_si256(high, nibble), line);
      add(_mm256_and_si256(_mm256_srli_epi16(low, 4), nibble), _mm256_and_si256(_mm256_srli_epi16(high, 4), nibble), line + 4);
    } else {
      add(low, high, line);
    }
  }
}

template <bool nibbles, typename Scale>
struct Q4Kernels {
  template <int MR, int T>
  struct Kernel {
    static constexpr std::int64_t kGroupBytes = group_bytes(nibbles ? WeightType::q4 : WeightType::q8);

    static void run(const MicroArgs& args) {
      if (args.first) clear_sums<MR, T>(args);
      float* sums = args.sums;
      const std::int64_t tile_stride = args.tile_stride, scale_stride = args.scale_stride;
      for_groups<MR, T, kGroupBytes, Scale>(args, [=](const std::byte* weights, const Scale* stored,
                                                      const std::byte* x, const InputGroups* inputs, int g,
                                                      const Ahead<MR <= kFewQuantRows, T>& ahead) {
        for (int t = 0; t < T; ++t) {
          __m256i quads[2][MR];
          sum_q4<MR, nibbles>(weights + t * tile_stride, x, quads,
                              [&](int line) __attribute__((always_inline)) { ahead.fetch(t, line * 64); });
          const Vec scale = load_scales(stored + t * scale_stride);
          add_group<MR, T * kLanes>(sums + t * kLanes, scale, inputs, g, [&](int half, int r) __attribute__((always_inline)) {
            return _mm256_add_epi32(_mm256_set1_epi32(inputs[r].start_q4[g]), pairs_to_quads(quads[half][r]));
          });
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
constexpr Family kQ8Family = {.direct = kMicros<Q8Kernel, 8, 8>,
                              .unpacked = kMicros<PlacedKernel, 4, 8, 2>,
                              .unpacked_bytes = placed_offset(kBlockK / kQuantGroup) - kPairScaleBytes,
                              .offset = quants_block_offset<WeightType::q8>,
                              .unpack = unpack_placed,
                              .chunk_rows = kInt8Rows,
                              .direct_rows = 8,
                              .input_bytes = kNegatedBytes,
                              .rewrite = negate_inputs};
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
      keep(quants);  // the operands may have changed
      sums[c] = _mm256_add_epi32(sums[c], pairs_to_quads(_mm256_maddubs_epi16(weights, quants)));
      keep(sums[c]);
    }
  }
  MOE_UNROLL
  for (int c = 1; c < kSums; ++c) sums[0] = _mm256_add_epi32(sums[0], sums[c]);
  return static_cast<float>(_mm256_cvtsi256_si32(sums[0]));
}

constexpr RooflineKernels::Burn kBurnInt8 = {burn_int8, std::int64_t{2} * 4 * kLanes* kChains};

}  // namespace
}  // namespace moe::kernels::avx2
