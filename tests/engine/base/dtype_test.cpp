// Element types: every 8- and 16-bit pattern against values computed another way.
#include "engine/base/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "engine/base/error.h"
#include "tests/support/expect_error.h"

namespace moe {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The value of a small binary float straight from its definition: (-1)^s * 2^(e - bias) * (1 + m / 2^bits),
// or
// (-1)^s * 2^(1 - bias) * m / 2^bits where e is zero.
double defined_value(unsigned bits, int exponent_bits, int mantissa_bits, bool has_infinity) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const unsigned mantissa = bits & ((1U << mantissa_bits) - 1);
  const auto exponent = static_cast<int>((bits >> mantissa_bits) & ((1U << exponent_bits) - 1));
  const double sign = (bits >> (exponent_bits + mantissa_bits)) != 0 ? -1 : 1;
  const int largest = (1 << exponent_bits) - 1;
  if (has_infinity && exponent == largest) return mantissa == 0 ? sign * kInfinity : std::nan("");
  if (!has_infinity && exponent == largest && mantissa == (1U << mantissa_bits) - 1) return std::nan("");
  const double fraction = mantissa * std::pow(2.0, -mantissa_bits);
  return sign * (exponent == 0 ? fraction * std::pow(2.0, 1 - bias)
                               : (1 + fraction) * std::pow(2.0, exponent - bias));
}

void expect_same(double expected, float found, unsigned bits) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(found)) << std::hex << bits;
  } else {
    EXPECT_EQ(expected, static_cast<double>(found)) << std::hex << bits;
    EXPECT_EQ(std::signbit(expected), std::signbit(found)) << std::hex << bits;
  }
}

TEST(DType, EveryHalfPatternHasItsDefinedValueAndComesBack) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = f16_to_f32(static_cast<std::uint16_t>(bits));
    expect_same(defined_value(bits, 5, 10, true), value, bits);
    const std::uint16_t back = f32_to_f16(value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(back))) << bits;
    } else {
      EXPECT_EQ(back, bits);
    }
  }
}

TEST(DType, EveryBf16PatternHasItsDefinedValueAndComesBack) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = bf16_to_f32(static_cast<std::uint16_t>(bits));
    expect_same(defined_value(bits, 8, 7, true), value, bits);
    const std::uint16_t back = f32_to_bf16(value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(bf16_to_f32(back))) << bits;
    } else {
      EXPECT_EQ(back, bits);
    }
  }
}

TEST(DType, EveryFloat8PatternHasItsDefinedValue) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    expect_same(defined_value(bits, 4, 3, false), f8_e4m3_to_f32(static_cast<std::uint8_t>(bits)), bits);
    expect_same(defined_value(bits, 5, 2, true), f8_e5m2_to_f32(static_cast<std::uint8_t>(bits)), bits);
  }
  EXPECT_EQ(f8_e4m3_to_f32(0x7e), 448.0F);
  EXPECT_EQ(f8_e4m3_to_f32(0x01), 0x1p-9F);
  EXPECT_EQ(f8_e5m2_to_f32(0x7b), 57344.0F);
}

// Between two neighbours the midpoint goes to the even one, and what lies beside it to the nearer one.
template <class Widen, class Round>
void check_ties(unsigned first, unsigned last, Widen widen, Round round) {
  for (unsigned bits = first; bits < last; ++bits) {
    const float low = widen(static_cast<std::uint16_t>(bits));
    const float high = widen(static_cast<std::uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;  // exact: a float holds one bit more
    const unsigned even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(round(middle), even) << bits;
    ASSERT_EQ(round(std::nextafter(middle, low)), bits) << bits;
    ASSERT_EQ(round(std::nextafter(middle, high)), bits + 1) << bits;
    ASSERT_EQ(round(-middle), even | 0x8000U) << bits;
  }
}

TEST(DType, RoundingToHalfIsToNearestWithTiesToEven) {
  check_ties(0, 0x7bff, f16_to_f32, f32_to_f16);
  EXPECT_EQ(f32_to_f16(65504.0F), 0x7bff);
  EXPECT_EQ(f32_to_f16(65519.996F), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7c00) << "the midpoint to the next power of two overflows";
  EXPECT_EQ(f32_to_f16(1e30F), 0x7c00);
  EXPECT_EQ(f32_to_f16(-1e30F), 0xfc00);
  EXPECT_EQ(f32_to_f16(0x1p-26F), 0);
  EXPECT_EQ(f32_to_f16(-0x1p-149F), 0x8000);
}

TEST(DType, RoundingToBf16IsToNearestWithTiesToEven) {
  check_ties(1, 0x7f7f, bf16_to_f32, f32_to_bf16);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(f32_to_bf16(-std::numeric_limits<float>::max()), 0xff80);
  // The lowest payload bits alone must not round a NaN to infinity.
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001U)))));
}

TEST(DType, NamesAndSizes) {
  int types = 0;
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i, ++types) {
    const auto type = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(name(type)), type);
  }
  EXPECT_EQ(types, 15);
  EXPECT_EQ(size_of(DType::f64), 8U);
  EXPECT_EQ(size_of(DType::bf16), 2U);
  EXPECT_EQ(size_of(DType::f8_e4m3), 1U);
  EXPECT_FALSE(is_float(DType::u8));
  EXPECT_TRUE(is_float(DType::f8_e5m2));
  for (const char* unknown : {"", "f32", "F4", "F8", "BF16 ", "F32x"})
    EXPECT_FALSE(dtype_from_name(unknown)) << unknown;
}

TEST(DType, ReadsUnalignedAndStrided) {
  const std::vector<float> values{1.5F, -2.0F, 0.25F, 1024.0F};
  std::vector<std::byte> bytes(1 + 8 * values.size());
  const auto store = [&](auto convert) {
    std::byte* p = bytes.data() + 1;
    for (const float value : values) {
      const auto stored = convert(value);
      std::memcpy(p, &stored, sizeof stored);
      p += sizeof stored;
    }
  };
  const auto check = [&](DType type) {
    std::vector<float> out(4);
    read_floats(type, bytes.data() + 1, 4, 1, out.data());
    EXPECT_EQ(out, values) << name(type);
    out.resize(2);
    read_floats(type, bytes.data() + 1, 2, 2, out.data());
    EXPECT_EQ(out, (std::vector<float>{1.5F, 0.25F})) << name(type);
    read_floats(type, bytes.data() + 1 + 3 * size_of(type), 2, -1, out.data());
    EXPECT_EQ(out, (std::vector<float>{1024.0F, 0.25F})) << name(type);
  };
  store([](float v) { return v; });
  check(DType::f32);
  store([](float v) { return static_cast<double>(v); });
  check(DType::f64);
  store(f32_to_f16);
  check(DType::f16);
  store(f32_to_bf16);
  check(DType::bf16);
  std::vector<float> out(4);
  test::expect_error(ErrorKind::format, {"a float type", "I32"},
                     [&] { read_floats(DType::i32, bytes.data(), 4, 1, out.data()); });
}

}  // namespace
}  // namespace moe
