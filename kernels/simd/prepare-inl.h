// Inputs brought into the form of a product. Included inside a target region; see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

// Lane i of the result combines all lanes of v[i].
template <typename Combine>
inline __m256i across(const __m256i (&v)[8], Combine combine) {
  __m256i pairs[4], fours[2];
  MOE_UNROLL
  for (int i = 0; i < 4; ++i) {  // lanes: v[2i], v[2i + 1] in turn
    pairs[i] =
        combine(_mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]), _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]));
  }
  MOE_UNROLL
  for (int i = 0; i < 2; ++i) {
    fours[i] = combine(_mm256_unpacklo_epi64(pairs[2 * i], pairs[2 * i + 1]),
                       _mm256_unpackhi_epi64(pairs[2 * i], pairs[2 * i + 1]));
  }
  return combine(_mm256_permute2x128_si256(fours[0], fours[1], 0x20),
                 _mm256_permute2x128_si256(fours[0], fours[1], 0x31));
}

// What the quants of the groups of a block are made with: quant = round(x * inverse), or zero where `keep` is.
struct GroupFactors {
  alignas(32) float inverse[InputGroups::kGroups];
  alignas(32) std::int32_t keep[InputGroups::kGroups];  // all bits, or none
};

// From the bits of the largest magnitude of each group. The definition is in kernels/quantise.h.
inline GroupFactors set_scales(__m256i most, InputGroups& groups) {
  static_assert(InputGroups::kGroups == 8);
  const __m256 amax = _mm256_castsi256_ps(most);
  const __m256 finite = _mm256_cmp_ps(amax, _mm256_set1_ps(kMostAmax), _CMP_LT_OQ);
  const __m256 usable = _mm256_and_ps(finite, _mm256_cmp_ps(amax, _mm256_set1_ps(kLeastAmax), _CMP_GE_OQ));
  const __m256 kept = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(kInputScaleBits)));
  const __m256 quotient = _mm256_and_ps(_mm256_div_ps(amax, _mm256_set1_ps(127.0F)), kept);
  const __m256 nan = _mm256_set1_ps(std::numeric_limits<float>::quiet_NaN());
  const __m256 scale = _mm256_blendv_ps(nan, _mm256_and_ps(quotient, usable), finite);
  _mm256_storeu_ps(groups.scale, scale);
  _mm256_storeu_ps(groups.offset, _mm256_mul_ps(scale, _mm256_set1_ps(-kRoundMagic)));
  GroupFactors factors;
  _mm256_store_ps(factors.inverse, _mm256_div_ps(_mm256_set1_ps(127.0F), amax));
  _mm256_store_si256(reinterpret_cast<__m256i*>(factors.keep), _mm256_castps_si256(usable));
  return factors;
}

// From the eight partial sums of the quants of each group.
inline void set_starts(const __m256i (&partial)[8], InputGroups& groups) {
  const __m256i sums = across(partial, [](__m256i a, __m256i b) { return _mm256_add_epi32(a, b); });
  const __m256i start = _mm256_set1_epi32(InputGroups::kStart);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(groups.start_q8),
                      _mm256_sub_epi32(start, _mm256_slli_epi32(sums, 7)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(groups.start_q4),
                      _mm256_sub_epi32(start, _mm256_slli_epi32(sums, 3)));
}

inline __m256i sums_of_fours(__m256i bytes) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
}

#if defined(MOE_AVX512)

// One whole block of kBlockK floats.
inline void quantise_block(const float* x, std::byte* quants, InputGroups& groups) {
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m256i partial[8];
  MOE_UNROLL
  for (int g = 0; g < 8; ++g) {
    const __m512i most = _mm512_max_epi32(_mm512_and_si512(_mm512_loadu_si512(x + g * kQuantGroup), magnitude),
                                          _mm512_and_si512(_mm512_loadu_si512(x + g * kQuantGroup + 16), magnitude));
    partial[g] = _mm256_max_epi32(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64(most, 1));
  }
  const GroupFactors factors =
      set_scales(across(partial, [](__m256i a, __m256i b) { return _mm256_max_epi32(a, b); }), groups);
  MOE_UNROLL
  for (int g = 0; g < 8; g += 2) {
    // Adding kRoundMagic rounds to an integer, whose bits are those of the sum less those of kRoundMagic.
    const auto sixteen = [&](int group, int i) {
      const __m512 scaled =
          _mm512_mul_ps(_mm512_loadu_ps(x + group * kQuantGroup + i), _mm512_set1_ps(factors.inverse[group]));
      return _mm512_sub_epi32(_mm512_castps_si512(_mm512_add_ps(scaled, _mm512_set1_ps(kRoundMagic))),
                              _mm512_set1_epi32(InputGroups::kStart));
    };
    const __m512i words_low = _mm512_packs_epi32(sixteen(g, 0), sixteen(g, 16)),
                  words_high = _mm512_packs_epi32(sixteen(g + 1, 0), sixteen(g + 1, 16));
    // Packing works within quarters: fours of bytes come out as 0 4 8 12 1 5 9 13 ...
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i both = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(words_low, words_high));
    const auto finish = [&](int group, __m256i all) {
      const __m256i bytes = _mm256_and_si256(all, _mm256_set1_epi32(factors.keep[group]));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(quants) + group, bytes);
      partial[group] = sums_of_fours(bytes);
    };
    finish(g, _mm512_castsi512_si256(both));
    finish(g + 1, _mm512_extracti64x4_epi64(both, 1));
  }
  set_starts(partial, groups);
}

// The bits of 16 floats rounded to bf16, in the high halves; the low ones are not cleared.
inline __m512i round_bf16(const float* x) {
  const __m512 value = _mm512_loadu_ps(x);
  const __m512i bits = _mm512_castps_si512(value);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
  const __mmask16 is_nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
  return _mm512_mask_or_epi32(rounded, is_nan, bits, _mm512_set1_epi32(0x400000));
}

inline void round_block(const float* x, std::int64_t element, std::byte* out) {
  for (int i = 0; i < kBlockK; i += 32) {
    const __m512i low = round_bf16(x + i), high = round_bf16(x + i + 16);
    if (element == 4) {
      const __m512i half = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
      _mm512_storeu_si512(out + i * 4, _mm512_and_si512(low, half));
      _mm512_storeu_si512(out + i * 4 + 64, _mm512_and_si512(high, half));
    } else {
      const __m512i packed = _mm512_packus_epi32(_mm512_srli_epi32(low, 16), _mm512_srli_epi32(high, 16));
      _mm512_storeu_si512(out + i * 2, _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), packed));
    }
  }
}

#else

inline __m256i magnitude_bits(const float* x) {
  return _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)),
                          _mm256_set1_epi32(0x7FFFFFFF));
}

inline void quantise_block(const float* x, std::byte* quants, InputGroups& groups) {
  __m256i partial[8];
  MOE_UNROLL
  for (int g = 0; g < 8; ++g) {
    const float* group = x + g * kQuantGroup;
    partial[g] = _mm256_max_epi32(_mm256_max_epi32(magnitude_bits(group), magnitude_bits(group + 8)),
                                  _mm256_max_epi32(magnitude_bits(group + 16), magnitude_bits(group + 24)));
  }
  const GroupFactors factors =
      set_scales(across(partial, [](__m256i a, __m256i b) { return _mm256_max_epi32(a, b); }), groups);
  MOE_UNROLL
  for (int g = 0; g < 8; ++g) {
    const __m256 factor = _mm256_set1_ps(factors.inverse[g]);
    const __m256i mask = _mm256_set1_epi32(factors.keep[g]);
    const auto eight = [&](int i) {
      const __m256i q =
          _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + g * kQuantGroup + 8 * i), factor));
      return _mm256_and_si256(q, mask);
    };
    const __m256i words_low = _mm256_packs_epi32(eight(0), eight(1)),
                  words_high = _mm256_packs_epi32(eight(2), eight(3));
    // Packing works within halves: fours of bytes come out as 0 2 4 6 1 3 5 7.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words_low, words_high), order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(quants) + g, bytes);
    partial[g] = sums_of_fours(bytes);
  }
  set_starts(partial, groups);
}

// The bits of eight floats rounded to bf16, in the high halves.
inline __m256i round_bf16(const float* x) {
  const __m256 value = _mm256_loadu_ps(x);
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
  return _mm256_and_si256(_mm256_blendv_epi8(rounded, quiet, is_nan),
                          _mm256_set1_epi32(static_cast<int>(0xFFFF0000U)));
}

inline void round_block(const float* x, std::int64_t element, std::byte* out) {
  for (int i = 0; i < kBlockK; i += 16) {
    const __m256i low = round_bf16(x + i), high = round_bf16(x + i + 8);
    auto* to = reinterpret_cast<__m256i*>(out + i * element);
    if (element == 4) {
      _mm256_storeu_si256(to, low);
      _mm256_storeu_si256(to + 1, high);
    } else {
      const __m256i packed = _mm256_packus_epi32(_mm256_srli_epi32(low, 16), _mm256_srli_epi32(high, 16));
      _mm256_storeu_si256(to, _mm256_permute4x64_epi64(packed, 0xD8));
    }
  }
}

#endif

void prepare(const PackedInput& input, std::int64_t row_begin, std::int64_t row_end) {
  if (input.borrowed()) return;
  const InputRows& layout = input.layout();
  for (std::int64_t row = row_begin; row < row_end; ++row) {
    for (std::int64_t k = 0; k < layout.cols; k += kBlockK) {
      const std::int64_t block = k / kBlockK, count = std::min<std::int64_t>(kBlockK, layout.cols - k);
      const float* x = input.source(row) + k;
      std::byte* out = input.block(block, row);
      if (layout.compute == Compute::f32) {
        std::memcpy(out, x, static_cast<std::size_t>(count) * sizeof(float));
        continue;
      }
      float padded[kBlockK];
      if (count < kBlockK) {
        std::fill(std::copy_n(x, count, padded), padded + kBlockK, 0.0F);
        x = padded;
      }
      if (layout.compute == Compute::bf16) {
        round_block(x, layout.row_bytes / kBlockK, out);
      } else {
        quantise_block(x, out, *input.group_block(block, row));
      }
    }
  }
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD
