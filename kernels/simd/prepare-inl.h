// Inputs brought into the form of a product. 256-bit vectors on every table: the work is small beside the
// product's. Included inside a target region; see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

inline __m256i magnitude_bits(const float* x) {
  return _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)),
                          _mm256_set1_epi32(0x7FFFFFFF));
}

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

// One whole block of kBlockK floats; the definition is in kernels/quantise.h.
void quantise_block(const float* x, std::byte* quants, InputGroups& groups) {
  static_assert(InputGroups::kGroups == 8);
  __m256i partial[8];
  MOE_UNROLL
  for (int g = 0; g < 8; ++g) {
    const float* group = x + g * kQuantGroup;
    partial[g] = _mm256_max_epi32(_mm256_max_epi32(magnitude_bits(group), magnitude_bits(group + 8)),
                                  _mm256_max_epi32(magnitude_bits(group + 16), magnitude_bits(group + 24)));
  }
  const __m256i bits = across(partial, [](__m256i a, __m256i b) { return _mm256_max_epi32(a, b); });
  const __m256 amax = _mm256_castsi256_ps(bits);
  const __m256 finite = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(0x7F800000), bits));
  const __m256 usable = _mm256_and_ps(finite, _mm256_cmp_ps(amax, _mm256_set1_ps(kLeastAmax), _CMP_GE_OQ));
  const __m256 scale = _mm256_and_ps(_mm256_div_ps(amax, _mm256_set1_ps(127.0F)), usable);
  const __m256 nan = _mm256_set1_ps(std::numeric_limits<float>::quiet_NaN());
  _mm256_storeu_ps(groups.scale, _mm256_blendv_ps(nan, scale, finite));
  alignas(32) float inverse[8], keep[8];
  _mm256_store_ps(inverse, _mm256_div_ps(_mm256_set1_ps(127.0F), amax));
  _mm256_store_ps(keep, usable);
  MOE_UNROLL
  for (int g = 0; g < 8; ++g) {
    const __m256 factor = _mm256_set1_ps(inverse[g]);
    const __m256i mask = _mm256_castps_si256(_mm256_set1_ps(keep[g]));
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
    partial[g] = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
  }
  const __m256i sums = across(partial, [](__m256i a, __m256i b) { return _mm256_add_epi32(a, b); });
  const __m256i none = _mm256_setzero_si256();
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(groups.start_q8),
                      _mm256_sub_epi32(none, _mm256_slli_epi32(sums, 7)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(groups.start_q4),
                      _mm256_sub_epi32(none, _mm256_slli_epi32(sums, 3)));
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

void round_block(const float* x, std::int64_t element, std::byte* out) {
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
