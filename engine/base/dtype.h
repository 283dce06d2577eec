// Element types of stored tensors, and their exact values as float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace moe {

enum class DType : std::uint8_t { f64, f32, f16, bf16, f8_e4m3, f8_e5m2, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

// The name safetensors uses: "F32", "BF16", "F8_E4M3", ...
std::string_view name(DType type) noexcept;
std::optional<DType> dtype_from_name(std::string_view name) noexcept;
// Bytes of one element.
std::size_t size_of(DType type) noexcept;
// True for types whose elements are weights by themselves (no companion scales needed to be numbers).
bool is_float(DType type) noexcept;

// Exact widening; every value of these types is a float. A NaN becomes a quiet one, of no certain payload.
float f16_to_f32(std::uint16_t bits) noexcept;
float bf16_to_f32(std::uint16_t bits) noexcept;
float f8_e4m3_to_f32(std::uint8_t bits) noexcept;  // the "fn" variant: no infinities, 0x7f and 0xff are NaN
float f8_e5m2_to_f32(std::uint8_t bits) noexcept;
// Round to nearest, ties to even.
std::uint16_t f32_to_f16(float value) noexcept;
std::uint16_t f32_to_bf16(float value) noexcept;

// Reads `count` elements of a float type into f32. F64 is rounded to nearest. `stride` is in elements.
// `source` need not be aligned.
void read_floats(DType type, const std::byte* source, std::size_t count, std::ptrdiff_t stride, float* out);

}  // namespace moe
