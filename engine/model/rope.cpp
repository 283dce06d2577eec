#include "engine/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace moe {
namespace {

// theta^(2j / dims) as transformers computes it: exponent and power in fp32.
std::vector<float> powers(float theta, std::int32_t dims, std::int32_t count) {
  std::vector<float> out(count);
  for (std::int32_t j = 0; j < count; ++j) {
    out[j] = std::pow(theta, static_cast<float>(2 * j) / static_cast<float>(dims));
  }
  return out;
}

std::vector<float> reciprocals(std::vector<float> values) {
  for (float& v : values) v = 1.0F / v;
  return values;
}

// theta' = theta * (factor * S / M - (factor - 1))^(D / (D - 2)), in fp32 as torch does with a length tensor.
float dynamic_theta(const RopeSpec& s, std::int32_t length) {
  const auto size = static_cast<float>(std::max(length, s.max_length));
  const float growth = static_cast<float>(s.factor) * size / static_cast<float>(s.max_length) -
                       static_cast<float>(s.factor - 1);
  const auto exponent = static_cast<float>(static_cast<double>(s.dims) / (s.dims - 2));
  return static_cast<float>(s.theta) * std::pow(growth, exponent);
}

std::vector<float> llama3(const RopeSpec& s) {
  std::vector<float> f = reciprocals(powers(static_cast<float>(s.theta), s.dims, s.pairs()));
  const double low_wavelength = s.original_length / s.low_freq_factor;
  const double high_wavelength = s.original_length / s.high_freq_factor;
  for (float& v : f) {
    const float wavelength = static_cast<float>(2 * std::numbers::pi) / v;
    const float scaled = v / static_cast<float>(s.factor);
    if (wavelength > static_cast<float>(low_wavelength)) {
      v = scaled;
    } else if (!(wavelength < static_cast<float>(high_wavelength))) {
      const float smooth = (static_cast<float>(s.original_length) / wavelength - static_cast<float>(s.low_freq_factor)) /
                           static_cast<float>(s.high_freq_factor - s.low_freq_factor);
      v = (1 - smooth) * scaled + smooth * v;
    }
  }
  return f;
}

std::vector<float> yarn(const RopeSpec& s) {
  const auto dimension_of = [&](double rotations) {
    return s.dims * std::log(s.original_length / (rotations * 2 * std::numbers::pi)) / (2 * std::log(s.theta));
  };
  double low = dimension_of(s.beta_fast);
  double high = dimension_of(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, s.dims - 1.0);
  if (low == high) high += 0.001;
  std::vector<float> f = powers(static_cast<float>(s.theta), s.dims, s.pairs());
  for (std::size_t j = 0; j < f.size(); ++j) {
    const float ramp = std::clamp((static_cast<float>(j) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0F, 1.0F);
    const float keep = 1.0F - ramp;
    f[j] = 1.0F / (static_cast<float>(s.factor) * f[j]) * (1.0F - keep) + 1.0F / f[j] * keep;
  }
  return f;
}

}  // namespace

std::int32_t RopeSpec::regime(std::int32_t length) const {
  if (type == RopeType::longrope) return length > original_length ? 1 : 0;
  if (type == RopeType::dynamic_ntk) return std::max(length, max_length);
  return 0;
}

std::vector<float> inverse_frequencies(const RopeSpec& s, std::int32_t length) {
  const auto theta = static_cast<float>(s.theta);
  switch (s.type) {
    case RopeType::plain: return reciprocals(powers(theta, s.dims, s.pairs()));
    case RopeType::linear: {
      std::vector<float> f = reciprocals(powers(theta, s.dims, s.pairs()));
      for (float& v : f) v /= static_cast<float>(s.factor);
      return f;
    }
    case RopeType::dynamic_ntk: return reciprocals(powers(dynamic_theta(s, length), s.dims, s.pairs()));
    case RopeType::llama3: return llama3(s);
    case RopeType::yarn: return yarn(s);
    case RopeType::longrope: {
      const std::vector<float>& ext = length > s.original_length ? s.long_factors : s.short_factors;
      std::vector<float> f = powers(theta, s.dims, s.pairs());
      for (std::size_t j = 0; j < f.size(); ++j) f[j] = 1.0F / (ext[j] * f[j]);
      return f;
    }
    case RopeType::proportional: {
      const auto turning = static_cast<std::int32_t>(std::floor(s.partial * s.head_dim / 2));
      std::vector<float> f = reciprocals(powers(theta, s.head_dim, turning));
      f.resize(s.pairs(), 0.0F);
      for (float& v : f) v /= static_cast<float>(s.factor);
      return f;
    }
  }
  return {};
}

void rope_angles(const RopeSpec& spec, const std::vector<float>& frequencies, std::int32_t position, float* cos,
                 float* sin) {
  const auto multiplier = static_cast<float>(spec.attention_factor);
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    // The angle is an fp32 product, as in the reference; its cosine is taken in double and rounded once.
    const double angle = static_cast<float>(position) * frequencies[j];
    cos[j] = static_cast<float>(std::cos(angle)) * multiplier;
    sin[j] = static_cast<float>(std::sin(angle)) * multiplier;
  }
}

}  // namespace moe
