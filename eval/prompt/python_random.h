// The random numbers of CPython's random module, bit for bit: few-shot examples drawn as lm_eval draws them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace moe::eval {

// random.Random(seed) for a seed that is not negative: MT19937 seeded by array (Matsumoto and Nishimura's
// init_by_array with the seed's 32-bit words).
class PythonRandom {
 public:
  explicit PythonRandom(std::uint64_t seed);

  // getrandbits(32)
  std::uint32_t next32() { return next(); }
  // random.random(): 53 bits.
  double uniform();
  // randbelow(n): uniform below n, n > 0; as Python rejects, so does this.
  std::uint64_t below(std::uint64_t n);
  // random.sample(range(population), count) as indices; count <= population.
  std::vector<std::size_t> sample(std::size_t population, std::size_t count);

  // random.shuffle
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i-- > 1;) std::swap(values[i], values[below(i + 1)]);
  }

 private:
  std::uint32_t next();

  std::vector<std::uint32_t> state_;
  std::size_t index_;
};

}  // namespace moe::eval
