#include "engine/base/dtype.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/base/error.h"
#include "kernels/quantise.h"
#include "kernels/scalar_math.h"

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

using kernels::load_unaligned;

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

// One definition with the kernels, so that a weight has the same bits whoever converts it.
float bf16_to_f32(std::uint16_t bits) noexcept { return kernels::widen_bf16(bits); }
float f16_to_f32(std::uint16_t bits) noexcept { return kernels::widen_f16(bits); }

float f8_e4m3_to_f32(std::uint8_t bits) noexcept {
  const float sign = (bits & 0x80U) != 0 ? -1.0F : 1.0F;
  if ((bits & 0x7fU) == 0x7fU) return std::bit_cast<float>(0x7fc00000U);
  return sign * small_float((bits >> 3) & 15U, bits & 7U, 3, 7);
}

float f8_e5m2_to_f32(std::uint8_t bits) noexcept { return f16_to_f32(static_cast<std::uint16_t>(bits << 8)); }

std::uint16_t f32_to_bf16(float value) noexcept { return kernels::bf16_bits(value); }
std::uint16_t f32_to_f16(float value) noexcept { return kernels::narrow_f16(value); }

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
        each([](const std::byte* p) { return load_unaligned<float>(p); });
      }
      return;
    case DType::f64: return each([](const std::byte* p) { return static_cast<float>(load_unaligned<double>(p)); });
    case DType::f16: return each([](const std::byte* p) { return f16_to_f32(load_unaligned<std::uint16_t>(p)); });
    case DType::bf16: return each([](const std::byte* p) { return bf16_to_f32(load_unaligned<std::uint16_t>(p)); });
    case DType::f8_e4m3: return each([](const std::byte* p) { return f8_e4m3_to_f32(load_unaligned<std::uint8_t>(p)); });
    case DType::f8_e5m2: return each([](const std::byte* p) { return f8_e5m2_to_f32(load_unaligned<std::uint8_t>(p)); });
    default: throw Error(ErrorKind::format, Fault{"", "tensor", "a float type", std::string(name(type))});
  }
}

}  // namespace moe
