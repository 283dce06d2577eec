// The random numbers of CPython's random module.
#include "eval/prompt/python_random.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <set>

namespace moe::eval {
namespace {

constexpr std::size_t kWords = 624, kShift = 397;

}  // namespace

PythonRandom::PythonRandom(std::uint64_t seed) : state_(kWords), index_(kWords) {
  std::vector<std::uint32_t> key = {static_cast<std::uint32_t>(seed)};
  if (seed >> 32 != 0) key.push_back(static_cast<std::uint32_t>(seed >> 32));
  state_[0] = 19650218u;
  for (std::size_t i = 1; i < kWords; ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + static_cast<std::uint32_t>(i);
  }
  std::size_t i = 1, j = 0;
  const auto wrap = [&] {
    if (++i >= kWords) {
      state_[0] = state_[kWords - 1];
      i = 1;
    }
  };
  for (std::size_t k = kWords; k > 0; --k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525u)) + key[j] + static_cast<std::uint32_t>(j);
    wrap();
    if (++j >= key.size()) j = 0;
  }
  for (std::size_t k = kWords - 1; k > 0; --k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941u)) - static_cast<std::uint32_t>(i);
    wrap();
  }
  state_[0] = 0x80000000u;
}

std::uint32_t PythonRandom::next() {
  if (index_ >= kWords) {
    for (std::size_t i = 0; i < kWords; ++i) {
      const std::uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7fffffffu);
      state_[i] = state_[(i + kShift) % kWords] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908b0dfu : 0u);
    }
    index_ = 0;
  }
  std::uint32_t y = state_[index_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

double PythonRandom::uniform() {
  const std::uint32_t a = next() >> 5, b = next() >> 6;
  return (a * 67108864.0 + b) * (1.0 / 9007199254740992.0);
}

std::uint64_t PythonRandom::below(std::uint64_t n) {
  const int bits = std::bit_width(n);
  for (;;) {
    std::uint64_t r = 0;
    if (bits <= 32) {
      r = next() >> (32 - bits);
    } else {
      r = next();
      r |= std::uint64_t{next() >> (64 - bits)} << 32;
    }
    if (r < n) return r;
  }
}

std::vector<std::size_t> PythonRandom::sample(std::size_t population, std::size_t count) {
  // Python keeps a list of those left where that is smaller than the set of those taken, else the set.
  std::size_t set_size = 21;
  if (count > 5) {
    const double power = std::ceil(std::log(static_cast<double>(count) * 3) / std::log(4.0));
    set_size += static_cast<std::size_t>(std::pow(4.0, power));
  }
  std::vector<std::size_t> out;
  if (population <= set_size) {
    std::vector<std::size_t> pool(population);
    std::iota(pool.begin(), pool.end(), std::size_t{0});
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t j = below(population - i);
      out.push_back(pool[j]);
      pool[j] = pool[population - i - 1];
    }
    return out;
  }
  std::set<std::size_t> taken;
  while (out.size() < count) {
    const std::size_t j = below(population);
    if (taken.insert(j).second) out.push_back(j);
  }
  return out;
}

}  // namespace moe::eval
