// Block layouts of the GGUF types. A block is a few half-precision scales and small integers packed in bits.
#include "engine/convert/ggml_types.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "engine/base/dtype.h"

namespace moe {
namespace {

struct TypeInfo {
  GgmlType type;
  std::string_view name;
  std::size_t elements;
  std::size_t bytes;
};

constexpr std::array<TypeInfo, 11> kTypes = {{
    {GgmlType::f32, "F32", 1, 4},
    {GgmlType::f16, "F16", 1, 2},
    {GgmlType::bf16, "BF16", 1, 2},
    {GgmlType::q8_0, "Q8_0", 32, 34},
    {GgmlType::q4_0, "Q4_0", 32, 18},
    {GgmlType::q4_1, "Q4_1", 32, 20},
    {GgmlType::q5_0, "Q5_0", 32, 22},
    {GgmlType::q5_1, "Q5_1", 32, 24},
    {GgmlType::q4_k, "Q4_K", 256, 144},
    {GgmlType::q5_k, "Q5_K", 256, 176},
    {GgmlType::q6_k, "Q6_K", 256, 210},
}};

const TypeInfo& info(GgmlType type) noexcept {
  for (const TypeInfo& entry : kTypes) {
    if (entry.type == type) return entry;
  }
  return kTypes[0];
}

using Bytes = const std::uint8_t*;

float half_at(Bytes bytes) noexcept {
  std::uint16_t bits = 0;
  std::memcpy(&bits, bytes, sizeof bits);
  return f16_to_f32(bits);
}

std::uint32_t word_at(Bytes bytes) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// In the blocks of 32, the low nibbles of 16 bytes are elements 0-15 and the high nibbles elements 16-31.
int nibble(Bytes quants, int element) noexcept {
  return (quants[element % 16] >> (4 * (element / 16))) & 0xf;
}

int fifth_bit(std::uint32_t high, int element) noexcept {
  return static_cast<int>((high >> element) & 1u) << 4;
}

void q8_0(Bytes block, float* out) noexcept {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<std::int8_t>(block[2 + i])) * scale;
}

void q4_0(Bytes block, float* out) noexcept {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(block + 2, i) - 8);
}

void q4_1(Bytes block, float* out) noexcept {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(block + 4, i)) + minimum;
}

void q5_0(Bytes block, float* out) noexcept {
  const float scale = half_at(block);
  const std::uint32_t high = word_at(block + 2);
  for (int i = 0; i < 32; ++i) {
    out[i] = scale * static_cast<float>((nibble(block + 6, i) | fifth_bit(high, i)) - 16);
  }
}

void q5_1(Bytes block, float* out) noexcept {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  const std::uint32_t high = word_at(block + 4);
  for (int i = 0; i < 32; ++i) {
    out[i] = scale * static_cast<float>(nibble(block + 8, i) | fifth_bit(high, i)) + minimum;
  }
}

struct ScaleMin {
  int scale;
  int minimum;
};

// Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit minima into 12 bytes: bytes 0-3 and 4-7 hold the
// first four of each in their low six bits; bytes 8-11 hold the low nibbles of the last four, whose top two
// bits are the top two bits of bytes 0-7.
ScaleMin scale_min(Bytes packed, int group) noexcept {
  if (group < 4) return {packed[group] & 0x3f, packed[group + 4] & 0x3f};
  return {(packed[group + 4] & 0x0f) | ((packed[group - 4] >> 2) & 0x30),
          (packed[group + 4] >> 4) | ((packed[group] >> 2) & 0x30)};
}

// Eight groups of 32 elements; two neighbouring groups share 32 bytes of nibbles. For Q5_K, bit g of high[i]
// is the fifth bit of element i of group g.
void k_groups(Bytes block, Bytes high, Bytes quants, float* out) noexcept {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  for (int group = 0; group < 8; ++group) {
    const ScaleMin packed = scale_min(block + 4, group);
    const float group_scale = scale * static_cast<float>(packed.scale);
    const float group_minimum = minimum * static_cast<float>(packed.minimum);
    for (int i = 0; i < 32; ++i) {
      int value = (quants[group / 2 * 32 + i] >> (4 * (group % 2))) & 0xf;
      if (high != nullptr) value |= ((high[i] >> group) & 1) << 4;
      out[group * 32 + i] = group_scale * static_cast<float>(value) - group_minimum;
    }
  }
}

// Two halves of 128 elements; within a half, four rows of 32: the low four bits of rows 0 and 1 are low
// nibbles of 64 bytes, those of rows 2 and 3 the high nibbles; the upper two bits of row r are bits 2r of 32
// bytes.
void q6_k(Bytes block, float* out) noexcept {
  const Bytes low = block;
  const Bytes high = block + 128;
  const Bytes scales = block + 192;
  const float scale = half_at(block + 208);
  for (int e = 0; e < 256; ++e) {
    const int half = e / 128;
    const int row = e % 128 / 32;
    const int column = e % 32;
    const int low_bits = (low[half * 64 + row % 2 * 32 + column] >> (row / 2 * 4)) & 0xf;
    const int high_bits = (high[half * 32 + column] >> (2 * row)) & 3;
    const float group_scale = scale * static_cast<float>(static_cast<std::int8_t>(scales[e / 16]));
    out[e] = group_scale * static_cast<float>((low_bits | (high_bits << 4)) - 32);
  }
}

void one_block(GgmlType type, Bytes block, float* out) noexcept {
  switch (type) {
    case GgmlType::q8_0:
      return q8_0(block, out);
    case GgmlType::q4_0:
      return q4_0(block, out);
    case GgmlType::q4_1:
      return q4_1(block, out);
    case GgmlType::q5_0:
      return q5_0(block, out);
    case GgmlType::q5_1:
      return q5_1(block, out);
    case GgmlType::q4_k:
      return k_groups(block, nullptr, block + 16, out);
    case GgmlType::q5_k:
      return k_groups(block, block + 16, block + 48, out);
    case GgmlType::q6_k:
      return q6_k(block, out);
    case GgmlType::f32:
    case GgmlType::f16:
    case GgmlType::bf16:
      return;
  }
}

}  // namespace

std::optional<GgmlType> ggml_type_from_number(std::uint32_t number) noexcept {
  for (const TypeInfo& entry : kTypes) {
    if (static_cast<std::uint32_t>(entry.type) == number) return entry.type;
  }
  return std::nullopt;
}

std::string ggml_type_name(std::uint32_t number) {
  if (const auto type = ggml_type_from_number(number)) return std::string(name(*type));
  static constexpr std::array<std::string_view, 42> kNames = {
      "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
      "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
      "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
      "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
      "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
      "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",    "Q1_0"};
  if (number < kNames.size()) return std::string(kNames[number]);
  return fmt::format("type {}", number);
}

std::string_view name(GgmlType type) noexcept { return info(type).name; }

std::string supported_ggml_types() {
  std::string out;
  for (const TypeInfo& entry : kTypes) {
    if (!out.empty()) out += ", ";
    out += entry.name;
  }
  return out;
}

std::size_t block_elements(GgmlType type) noexcept { return info(type).elements; }
std::size_t block_bytes(GgmlType type) noexcept { return info(type).bytes; }

void dequantize(GgmlType type, const std::byte* source, std::size_t count, float* out) noexcept {
  switch (type) {
    case GgmlType::f32:
      std::memcpy(out, source, count * sizeof(float));
      return;
    case GgmlType::f16:
      read_floats(DType::f16, source, count, 1, out);
      return;
    case GgmlType::bf16:
      read_floats(DType::bf16, source, count, 1, out);
      return;
    default:
      break;
  }
  const TypeInfo& layout = info(type);
  const Bytes bytes = reinterpret_cast<Bytes>(source);
  for (std::size_t block = 0; block < count / layout.elements; ++block) {
    one_block(type, bytes + block * layout.bytes, out + block * layout.elements);
  }
}

}  // namespace moe
