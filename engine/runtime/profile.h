// Where the time of a forward pass goes, by component: for benchmarks.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "engine/model/costs.h"

namespace moe {

// The forward pass says after each step which component it was for; the time since the step before is put
// down to it. Steps that are one kernel (an activation inside a product) are put down to the component of the
// product. Written by the thread that calls into the executor.
class Profile {
 public:
  struct Part {
    double seconds = 0;
    std::uint64_t bytes = 0;  // of weights, keys and values that were read
  };

  void start() { last_ = Clock::now(); }
  void lap(Component c) {
    const Clock::time_point now = Clock::now();
    parts_[std::size_t(c)].seconds += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  // Time that was put down to `from` with the last step.
  void move(Component from, Component to, double seconds) {
    parts_[std::size_t(from)].seconds -= seconds;
    parts_[std::size_t(to)].seconds += seconds;
  }
  void read(Component c, std::uint64_t bytes) { parts_[std::size_t(c)].bytes += bytes; }
  const Part& operator[](Component c) const { return parts_[std::size_t(c)]; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_{};
  std::array<Part, kComponents> parts_{};
};

}  // namespace moe
