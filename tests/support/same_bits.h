// Comparing by bits, which == does not do: it takes 0 for -0, and no NaN for itself.
#pragma once

#include <cstring>
#include <ranges>
#include <type_traits>

namespace moe::test {

template <std::ranges::contiguous_range A, std::ranges::contiguous_range B>
bool same_bits(const A& a, const B& b) {
  using T = std::ranges::range_value_t<A>;
  static_assert(std::is_same_v<T, std::ranges::range_value_t<B>> && std::is_arithmetic_v<T>);
  const std::size_t size = std::ranges::size(a);
  if (size != std::ranges::size(b)) return false;
  return size == 0 || std::memcmp(std::ranges::data(a), std::ranges::data(b), size * sizeof(T)) == 0;
}

template <typename T>
requires std::is_arithmetic_v<T>
bool same_bits(T a, T b) { return std::memcmp(&a, &b, sizeof(T)) == 0; }

}  // namespace moe::test
