#include "engine/base/dtype.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/base/error.h"

namespace moe {
namespace {

struct Row {
  DType type;
  std::string_view name;
  std::size_t size;
  bool is_float;
};

// In the order of the enumeration, so that a type is its own index.
constexpr std::array<Row, 15> kTypes{{
    {DType::f64, "F64", 8, true},          {DType::f32, "F32", 4, true},   {DType::f16, "F16", 2, true},
    {DType::bf16, "BF16", 2, true},        {DType::f8_e4m3, "F8_E4M3", 1, true},
    {DType::f8_e5m2, "F8_E5M2", 1, true},  {DType::i64, "I64", 8, false},  {DType::i32, "I32", 4, false},
    {DType::i16, "I16", 2, false},         {DType::i8, "I8", 1, false},    {DType::u64, "U64", 8, false},
    {DType::u32, "U32", 4, false},         {DType::u16, "U16", 2, false},  {DType::u8, "U8", 1, false},
    {DType::boolean, "BOOL", 1, false},
}};

const Row& row(DType type) noexcept { return kTypes[static_cast<std::size_t>(type)]; }

template <class T>
T load(const std::byte* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// A small float of `mantissa_bits` and bias `bias`, without its sign and special values.
float small_float(unsigned exponent, unsigned mantissa, int mantissa_bits, int bias) noexcept {
  const float fraction = static_cast<float>(mantissa) / static_cast<float>(1 << mantissa_bits);
  return exponent == 0 ? std::ldexp(fraction, 1 - bias)
                       : std::ldexp(1.0F + fraction, static_cast<int>(exponent) - bias);
}

}  // namespace

std::string_view name(DType type) noexcept { return row(type).name; }
std::size_t size_of(DType type) noexcept { return row(type).size; }
bool is_float(DType type) noexcept { return row(type).is_float; }

std::optional<DType> dtype_from_name(std::string_view name) noexcept {
  for (const Row& r : kTypes) {
    if (r.name == name) return r.type;
  }
  return std::nullopt;
}

float bf16_to_f32(std::uint16_t bits) noexcept { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

float f16_to_f32(std::uint16_t bits) noexcept {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000U} << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fU;
  const std::uint32_t mantissa = bits & 0x3ffU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
  return sign != 0 ? -magnitude : magnitude;
}

float f8_e4m3_to_f32(std::uint8_t bits) noexcept {
  const float sign = (bits & 0x80U) != 0 ? -1.0F : 1.0F;
  if ((bits & 0x7fU) == 0x7fU) return std::bit_cast<float>(0x7fc00000U);
  return sign * small_float((bits >> 3) & 15U, bits & 7U, 3, 7);
}

float f8_e5m2_to_f32(std::uint8_t bits) noexcept { return f16_to_f32(static_cast<std::uint16_t>(bits << 8)); }

std::uint16_t f32_to_bf16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  const std::uint32_t rounding = 0x7fffU + ((bits >> 16) & 1U);
  return static_cast<std::uint16_t>((bits + rounding) >> 16);
}

std::uint16_t f32_to_f16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // rounds to 65536 or more
  if (magnitude < 0x38800000U) {  // below 2^-14: a multiple of 2^-24, rounded by the adder
    const float scaled = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(scaled) - 0x3f000000U));
  }
  const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

void read_floats(DType type, const std::byte* source, std::size_t count, std::ptrdiff_t stride, float* out) {
  if (count == 0) return;  // the pointers may be null, which memcpy does not take
  const auto step = stride * static_cast<std::ptrdiff_t>(size_of(type));
  const auto each = [&](auto convert) {
    const std::byte* p = source;
    for (std::size_t i = 0; i < count; ++i, p += step) out[i] = convert(p);
  };
  switch (type) {
    case DType::f32:
      if (stride == 1) {
        std::memcpy(out, source, count * sizeof(float));
      } else {
        each([](const std::byte* p) { return load<float>(p); });
      }
      return;
    case DType::f64: return each([](const std::byte* p) { return static_cast<float>(load<double>(p)); });
    case DType::f16: return each([](const std::byte* p) { return f16_to_f32(load<std::uint16_t>(p)); });
    case DType::bf16: return each([](const std::byte* p) { return bf16_to_f32(load<std::uint16_t>(p)); });
    case DType::f8_e4m3: return each([](const std::byte* p) { return f8_e4m3_to_f32(load<std::uint8_t>(p)); });
    case DType::f8_e5m2: return each([](const std::byte* p) { return f8_e5m2_to_f32(load<std::uint8_t>(p)); });
    default: throw Error(ErrorKind::format, Fault{"", "tensor", "a float type", std::string(name(type))});
  }
}

}  // namespace moe
