// Energy from the processor's own counters.
#include "eval/run/energy.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace moe::eval {
namespace {

template <typename Value>
std::optional<Value> first_word(const std::filesystem::path& file) {
  std::ifstream in(file);
  Value value{};
  if (in >> value) return value;
  return std::nullopt;
}

// Packages hold their cores, so those are left out; memory is counted apart from its package.
bool counts(const std::string& zone) { return zone.rfind("package", 0) == 0 || zone == "dram"; }

}  // namespace

EnergyMeter::EnergyMeter(const std::string& directory) {
  std::error_code code;
  for (std::filesystem::directory_iterator it(directory, code), end; !code && it != end; it.increment(code)) {
    // "intel-rapl:0" and its parts "intel-rapl:0:1"; the same counters appear a second time as
    // "intel-rapl-mmio".
    if (it->path().filename().string().rfind("intel-rapl:", 0) != 0) continue;
    const auto name = first_word<std::string>(it->path() / "name");
    const auto range = first_word<std::uint64_t>(it->path() / "max_energy_range_uj");
    const auto now = first_word<std::uint64_t>(it->path() / "energy_uj");
    if (name && counts(*name) && range && now)
      zones_.push_back({(it->path() / "energy_uj").string(), *range, *now});
  }
}

std::optional<double> EnergyMeter::joules() {
  if (zones_.empty()) return std::nullopt;
  for (Zone& zone : zones_) {
    const auto now = first_word<std::uint64_t>(zone.counter);
    if (!now) {
      // A sum with a part missing would be wrong from here on.
      zones_.clear();
      return std::nullopt;
    }
    microjoules_ += *now >= zone.last ? *now - zone.last : zone.range - zone.last + *now;
    zone.last = *now;
  }
  return static_cast<double>(microjoules_) / 1e6;
}

}  // namespace moe::eval
