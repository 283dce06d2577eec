// The inverse of Llama 3's RoPE scaling rule.
#include "engine/convert/llama3_scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>

#include "engine/base/error.h"

namespace moe {
namespace {

struct Parameters {
  double factor;
  double low = 1;
  double high = 4;
  double original = 8192;
};

double wavelength(double theta, std::size_t index, std::size_t pairs) {
  return 2 * std::numbers::pi * std::pow(theta, static_cast<double>(index) / static_cast<double>(pairs));
}

double factor_of(const Parameters& p, double wave) {
  if (wave < p.original / p.high) return 1;
  if (wave > p.original / p.low) return p.factor;
  const double smooth = (p.original / wave - p.low) / (p.high - p.low);
  return 1 / ((1 - smooth) / p.factor + smooth);
}

bool explains(const Parameters& p, const std::vector<float>& factors, double theta) {
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const double expected = factor_of(p, wavelength(theta, i, factors.size()));
    if (!(std::abs(expected - factors[i]) <= 1e-5 * expected)) return false;
  }
  return true;
}

// The blend is linear in 1 / wavelength: two points in it give its slope original / (high - low) and its
// offset -low / (high - low). One parameter stays free: low is taken to be 1, as in all published models.
std::optional<Parameters> fit(const std::vector<float>& factors, double theta, double largest) {
  std::vector<std::pair<double, double>> points;  // 1 / wavelength, blend
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (factors[i] > 1.0001 && factors[i] < largest * 0.9999) {
      const double blend = (1 / static_cast<double>(factors[i]) - 1 / largest) / (1 - 1 / largest);
      points.emplace_back(1 / wavelength(theta, i, factors.size()), blend);
    }
  }
  if (points.size() < 2 || points.front().first == points.back().first) return std::nullopt;
  const double slope =
      (points.front().second - points.back().second) / (points.front().first - points.back().first);
  const double offset = points.front().second - slope * points.front().first;
  if (!(offset < 0)) return std::nullopt;
  const double range = -1 / offset;
  return Parameters{largest, 1, std::round((1 + range) * 1000) / 1000, std::round(slope * range)};
}

}  // namespace

nlohmann::json llama3_scaling_from_factors(const GgufFile& gguf, const GgufTensor& factors, double theta,
                                           std::int64_t head_dim) {
  const auto wrong = [&](ErrorKind kind, std::string expected, std::string found) {
    return Error(kind,
                 Fault{gguf.file(), "tensor 'rope_freqs.weight'", std::move(expected), std::move(found)});
  };
  if (factors.type != GgmlType::f32 || factors.elements != static_cast<std::uint64_t>(head_dim / 2)) {
    throw wrong(ErrorKind::format, fmt::format("{} numbers of F32", head_dim / 2),
                fmt::format("{} of {}", factors.elements, name(factors.type)));
  }
  std::vector<float> values(factors.elements);
  dequantize(factors.type, factors.data.data(), factors.elements, values.data());
  for (const float value : values) {
    if (!(value >= 1 && value < 1e6f))
      throw wrong(ErrorKind::unsupported, "factors from 1 to 10^6", fmt::format("{}", value));
  }
  const double largest = *std::max_element(values.begin(), values.end());
  if (largest == 1) return nullptr;
  Parameters found{largest};
  if (!explains(found, values, theta)) {
    const auto fitted = fit(values, theta, largest);
    if (!fitted || !(fitted->high > fitted->low) || !explains(*fitted, values, theta)) {
      throw wrong(ErrorKind::unsupported, "factors of Llama 3's RoPE scaling", "others");
    }
    found = *fitted;
  }
  return {{"rope_type", "llama3"},
          {"factor", found.factor},
          {"low_freq_factor", found.low},
          {"high_freq_factor", found.high},
          {"original_max_position_embeddings", static_cast<std::int64_t>(found.original)}};
}

}  // namespace moe
