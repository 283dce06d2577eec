// Products of quants over 512-bit vectors. Included inside a target region; see target.h.
//
// The integers of a group begin at a start (kernels/packed_input.h) that takes the weights' offset out, so
// that the unsigned stored quants go into the dot instruction as they are, and that makes the sum the bits of a
// float: two multiply-adds for each 16 sums of a group. The row's sums stay in registers where those suffice.

namespace moe::kernels::MOE_SIMD {
namespace {

#if !defined(MOE_DPBUSD)
// sums[lane] += factor * the four products, of unsigned bytes of w up to 127 and signed bytes of x.
inline __m512i add_quads(__m512i sums, __m512i w, __m512i x, short factor) {
  return _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_maddubs_epi16(w, x), _mm512_set1_epi16(factor)));
}
#endif

// sums[lane] += the four products of unsigned bytes of w, stored quants of type W, and signed bytes of x.
template <WeightType W>
inline __m512i dot_quads(__m512i sums, __m512i w, __m512i x) {
#if defined(MOE_DPBUSD)
  return _mm512_dpbusd_epi32(sums, w, x);
#else
  if constexpr (W == WeightType::q4) return add_quads(sums, w, x, 1);
  // Nibbles of w, lest pairs overflow 16 bits.
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i low = add_quads(sums, _mm512_and_si512(w, nibble), x, 1);
  return add_quads(low, _mm512_and_si512(_mm512_srli_epi16(w, 4), nibble), x, 16);
#endif
}

// Quads of a group: as bytes, or as nibbles of quads j and j + 4.
enum class QuantForm { bytes, nibbles };

template <QuantForm form>
inline __m512i load_quad(const std::byte* group, int quad) {
  if constexpr (form == QuantForm::bytes) return _mm512_loadu_si512(group + quad * 4 * kLanes);
  const __m512i both = _mm512_loadu_si512(group + quad % 4 * 4 * kLanes);
  return _mm512_and_si512(quad < 4 ? both : _mm512_srli_epi16(both, 4), _mm512_set1_epi8(15));
}

inline const std::int32_t* starts(const InputGroups& groups, WeightType type) {
  return type == WeightType::q8 ? groups.start_q8 : groups.start_q4;
}

// The sums [T][MR] of a microkernel of quants: the first `kept` stay in registers, the others in memory, [MR][T][16] at `memory`.
// Always inline, lest the vectors go through memory.
template <int MR, int T, int kept>
struct QuantSums {
  Vec sums[T][MR];
  float* memory;

  static constexpr bool resident(int t, int r) { return r * T + t < kept; }
  float* at(int t, int r) const { return memory + (r * T + t) * kLanes; }
  __attribute__((always_inline)) void begin(bool first) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      MOE_UNROLL
      for (int t = 0; t < T; ++t) {
        if (resident(t, r)) {
          sums[t][r] = first ? zero() : load(at(t, r));
        } else if (first) {
          store(at(t, r), zero());
        }
      }
    }
  }
  __attribute__((always_inline)) void add(int t, int r, Vec value, Vec scale) {
    if (resident(t, r)) {
      sums[t][r] = fma(value, scale, sums[t][r]);
      keep_order(sums[t][r]);
    } else {
      store(at(t, r), fma(value, scale, load(at(t, r))));
    }
  }
  // After each group, lest the compiler keep a second copy of the sums from group to group, on the stack.
  __attribute__((always_inline)) void end_group() const {
    if constexpr (kept < MR * T) __asm__ volatile("" : : : "memory");
  }
  __attribute__((always_inline)) void end() const {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      MOE_UNROLL
      for (int t = 0; t < T; ++t) {
        if (resident(t, r)) store(at(t, r), sums[t][r]);
      }
    }
  }
};

template <WeightType W, QuantForm form, typename Scale>
struct Int8Kernels {
  template <int MR, int T>
  struct Kernel {
    static constexpr std::int64_t kGroupBytes = (form == QuantForm::bytes ? 8 : 4) * 4 * kLanes;
    // Sums that stay in registers, beside a group's integers, the weights, an input and what it is scaled with.
    using Sums = QuantSums<MR, T, std::clamp(kVecs - MR * T - T - 2, 0, MR * T)>;

    static void run(const MicroArgs& given) {
      const MicroArgs args = given;  // a copy, which no store can be thought to change
      Sums sums;
      sums.memory = args.sums;
      sums.begin(args.first);
      for_groups<MR, T, kGroupBytes, Scale>(
          args, [&](const std::byte* weights, const Scale* scales, const std::byte* x,
                    const InputGroups* inputs, int g, const Ahead<MR <= kFewQuantRows, T>& ahead)
                    __attribute__((always_inline)) { group(args, inputs, g, weights, scales, x, ahead, sums); });
      sums.end();
    }

   private:
    static inline __attribute__((always_inline)) void group(const MicroArgs& args, const InputGroups* inputs,
                                                            int g, const std::byte* weights,
                                                            const Scale* scales, const std::byte* x,
                                                            const Ahead<MR <= kFewQuantRows, T>& ahead, Sums& sums) {
      __m512i quads[T][MR];
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) {
        const __m512i start = _mm512_set1_epi32(starts(inputs[r], W)[g]);
        MOE_UNROLL
        for (int t = 0; t < T; ++t) {
          quads[t][r] = start;
          MOE_KEEP_ZMM(quads[t][r]);
        }
      }
      const std::byte* tile[T];
      MOE_UNROLL
      for (int t = 0; t < T; ++t) {
        tile[t] = weights + t * args.tile_stride;
        // Else the compiler keeps an offset for each tile and quad, on the stack.
        __asm__("" : "+r"(tile[t]));
      }
      MOE_UNROLL
      for (int quad = 0; quad < 8; ++quad) {
        __m512i w[T];
        MOE_UNROLL
        for (int t = 0; t < T; ++t) {
          w[t] = load_quad<form>(tile[t], quad);
          if (form == QuantForm::bytes || quad < 4) ahead.fetch(t, quad * 64);
          MOE_KEEP_ZMM(w[t]);
        }
        MOE_UNROLL
        for (int r = 0; r < MR; ++r) {
          std::int32_t four;
          std::memcpy(&four, x + r * kBlockK + quad * 4, sizeof four);
          __m512i input = _mm512_set1_epi32(four);
          if constexpr (T > 1) MOE_KEEP_ZMM(input);
          MOE_UNROLL
          for (int t = 0; t < T; ++t) {
            quads[t][r] = dot_quads<W>(quads[t][r], w[t], input);
            MOE_KEEP_ZMM(quads[t][r]);
          }
        }
      }
      Vec scale[T];
      MOE_UNROLL
      for (int t = 0; t < T; ++t) {
        scale[t] = load_scales(scales + t * args.scale_stride);
        keep_order(scale[t]);
      }
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) {
        Vec input = set1(inputs[r].scale[g]);
        keep_order(input);
        Vec offset = set1(inputs[r].offset[g]);
        keep_order(offset);
        MOE_UNROLL
        for (int t = 0; t < T; ++t) {
          const Vec value = fma(_mm512_castsi512_ps(quads[t][r]), input, offset);
          sums.add(t, r, value, scale[t]);
        }
      }
      sums.end_group();
    }
  };
};

// One block of nibbles as bytes.
void unpack_nibbles(const PackedMatrix& w, std::int64_t tile, std::int64_t k, std::int64_t count,
                    std::byte* out) {
  const std::byte* stored = w.tile(tile) + quants_block_offset<WeightType::q4>(k);
  for (std::int64_t group = 0; group < quant_groups(count); ++group) {
    const std::byte* from = stored + quants_offset(WeightType::q4, group);
    std::byte* to = out + quants_offset(WeightType::q8, group);
    MOE_UNROLL
    for (int quad = 0; quad < 8; ++quad) {
      _mm512_storeu_si512(to + quad * 4 * kLanes, load_quad<QuantForm::nibbles>(from, quad));
    }
  }
}

constexpr std::int64_t kInt8Rows = 96;

// Four tiles and five rows: the integers, the weights and an input leave registers for six of the twenty sums.
constexpr int kInt8MicroRows = 5, kInt8Sums = 4 * kInt8MicroRows;
template <WeightType W, QuantForm form, typename Scale>
constexpr Micros kInt8Micros = kMicros<Int8Kernels<W, form, Scale>::template Kernel, kInt8MicroRows, kInt8Sums>;

constexpr Family kQ8Family = {kInt8Micros<WeightType::q8, QuantForm::bytes, std::uint16_t>,
                              kInt8Micros<WeightType::q8, QuantForm::bytes, float>,
                              0,
                              quants_block_offset<WeightType::q8>,
                              nullptr,
                              kInt8Rows};
constexpr Family kQ4Family = {kInt8Micros<WeightType::q4, QuantForm::nibbles, std::uint16_t>,
                              kInt8Micros<WeightType::q4, QuantForm::bytes, float>,
                              quants_block_offset<WeightType::q8>(kBlockK),
                              quants_block_offset<WeightType::q4>,
                              unpack_nibbles,
                              kInt8Rows};

#if !defined(MOE_AMX)  // which has tiles for many rows

const Family& int8_family(WeightType type) { return type == WeightType::q8 ? kQ8Family : kQ4Family; }

// The peak of dot_quads, where quants need not be cut.
float burn_int8(std::int64_t iterations) {
  __m512i weights = _mm512_set1_epi8(5), inputs = _mm512_set1_epi8(3);
  __m512i sums[kChains];
  MOE_UNROLL
  for (int c = 0; c < kChains; ++c) sums[c] = _mm512_set1_epi32(c);
  for (std::int64_t i = 0; i < iterations; ++i) {
    MOE_UNROLL
    for (int c = 0; c < kChains; ++c) {
      MOE_KEEP_ZMM(inputs);  // they may have changed
      sums[c] = dot_quads<WeightType::q4>(sums[c], weights, inputs);
      MOE_KEEP_ZMM(sums[c]);
    }
  }
  MOE_UNROLL
  for (int c = 1; c < kChains; ++c) sums[0] = _mm512_add_epi32(sums[0], sums[c]);
  return static_cast<float>(_mm_cvtsi128_si32(_mm512_castsi512_si128(sums[0])));
}

constexpr RooflineKernels::Burn kBurnInt8 = {burn_int8, std::int64_t{2} * 4 * kLanes* kChains};

#endif

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
