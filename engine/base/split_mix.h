// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), by place: random words that need
// no state, and are the same on every machine.
#pragma once

#include <cstdint>

namespace moe {

// The i-th word, from 0, of the stream that begins at `seed`. Every bit of either moves every bit of the word.
constexpr std::uint64_t split_mix(std::uint64_t seed, std::uint64_t i = 0) noexcept {
  std::uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

}  // namespace moe
