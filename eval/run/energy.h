// Energy from the processor's own counters (RAPL), where the system lets them be read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moe::eval {

// Sums the packages and their memory. Counters that wrap are followed as long as joules() is called more
// often than they wrap (about every quarter of an hour at most, at full load). Not thread-safe.
class EnergyMeter {
 public:
  explicit EnergyMeter(const std::string& directory = "/sys/class/powercap");

  // Joules since the meter was made: of the whole machine, whoever used them. Nothing where they cannot be
  // read.
  std::optional<double> joules();
  bool readable() const { return !zones_.empty(); }

 private:
  struct Zone {
    std::string counter;
    std::uint64_t range = 0;  // the counter's highest value, in microjoules
    std::uint64_t last = 0;
  };
  std::vector<Zone> zones_;
  std::uint64_t microjoules_ = 0;
};

}  // namespace moe::eval
