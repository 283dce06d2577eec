// Building safetensors files byte by byte, right and wrong.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace moe::test {

// Length field, header and data, with any length written into the field.
inline std::string with_length(std::uint64_t length, std::string_view header, std::string_view data = "") {
  std::string out;
  for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>(length >> shift);
  return out.append(header).append(data);
}

inline std::string safetensors(std::string_view header, std::size_t data_bytes = 0) {
  return with_length(header.size(), header, std::string(data_bytes, '\1'));
}

// `"name":{"dtype":...}`
inline std::string entry(std::string_view name, std::string_view dtype, std::string_view shape,
                         std::string_view offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape, offsets);
}

// A whole file with one entry per argument.
template <class... Entries>
std::string file_with(std::size_t data_bytes, const Entries&... entries) {
  std::string header = "{";
  ((header += header.size() > 1 ? "," : "", header += entries), ...);
  return safetensors(header + "}", data_bytes);
}

}  // namespace moe::test
