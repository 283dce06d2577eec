// Element types of GGUF tensors: sizes of their blocks, and the floats that the blocks stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace moe {

// The types that can be read; the numbers are those of the file format.
enum class GgmlType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

// The type with this number in a file, if it is one of the above.
std::optional<GgmlType> ggml_type_from_number(std::uint32_t number) noexcept;
// The name of any type number that the format has given out, supported here or not: "Q2_K", or "type 77".
std::string ggml_type_name(std::uint32_t number);
std::string_view name(GgmlType type) noexcept;
// "F32, F16, ...": every supported type, for messages.
std::string supported_ggml_types();

// Elements and bytes of one block. Plain float types have blocks of one element.
std::size_t block_elements(GgmlType type) noexcept;
std::size_t block_bytes(GgmlType type) noexcept;

// Writes the `count` floats that the blocks at `source` stand for. `count` must be a multiple of
// block_elements(type) and `source` needs no alignment. Each float is the result of the same single-precision
// operations, in the same order, as in the `gguf` Python package's dequantize(), so results are equal to the
// bit (NaN payloads aside).
void dequantize(GgmlType type, const std::byte* source, std::size_t count, float* out) noexcept;

}  // namespace moe
