// The choice of scales, for any instruction set: loops run over the 16 rows of a tile inside, so that the
// compiler makes vectors of them. Included inside a target region, in a namespace of its own; see
// kernels/simd/target.h.

using Lane = float[kLanes];

// Nearest integer, ties to even, for |x| < 2^22, held in [low, high].
inline float round_within(float x, float low, float high) noexcept {
  return std::min(high, std::max(low, (x + kRoundMagic) - kRoundMagic));
}

// widen_f16(narrow_f16(x)) without branches: halves below the least normal one are multiples of 2^-24.
inline float round_f16(float x) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), magnitude = bits & 0x7FFFFFFFU;
  const float normal = std::bit_cast<float>((magnitude + 0xFFFU + (magnitude >> 13 & 1U)) & 0xFFFFE000U);
  const float small = (std::bit_cast<float>(magnitude) + 0.5F) - 0.5F;
  const float finite = magnitude < 0x38800000U ? small : normal;
  const float past = std::bit_cast<float>(magnitude > 0x7F800000U ? 0x7FC00000U : 0x7F800000U);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude >= 0x477FF000U ? past : finite) |
                              (bits & 0x80000000U));
}

inline float inverse_of(float scale) noexcept { return scale == 0.0F ? 0.0F : 1.0F / scale; }

// The best scale so far of each row, with its error.
struct Best {
  Lane scale, error;
};

// `scale`, rounded to f16 first, replaces the best one of the rows where its quants are nearer.
inline void try_scale(const WeightGroup& weights, const Lane& scale, float low, float high,
                      Best& best) noexcept {
  Lane rounded, inverse, error = {};
  for (int lane = 0; lane < kLanes; ++lane) {
    rounded[lane] = round_f16(scale[lane]);
    inverse[lane] = inverse_of(rounded[lane]);
  }
  for (int k = 0; k < kQuantGroup; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float q = round_within(weights[k][lane] * inverse[lane], low, high);
      const float difference = weights[k][lane] - q * rounded[lane];
      error[lane] += difference * difference;
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    const bool nearer = error[lane] < best.error[lane];
    best.error[lane] = nearer ? error[lane] : best.error[lane];
    best.scale[lane] = nearer ? rounded[lane] : best.scale[lane];
  }
}

// The scale of least squares for the quants that `inverse` gives: sum w q / sum q^2.
inline void fit_scale(const WeightGroup& weights, const Lane& inverse, float low, float high,
                      Lane& scale) noexcept {
  Lane products = {}, squares = {};
  for (int k = 0; k < kQuantGroup; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float q = round_within(weights[k][lane] * inverse[lane], low, high);
      products[lane] += weights[k][lane] * q;
      squares[lane] += q * q;
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    scale[lane] = squares[lane] == 0.0F ? 0.0F : products[lane] / squares[lane];
  }
}

// The element of largest magnitude of each row, with its sign.
inline void extremes(const WeightGroup& weights, Lane& extreme) noexcept {
  for (int lane = 0; lane < kLanes; ++lane) extreme[lane] = 0.0F;
  for (int k = 0; k < kQuantGroup; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float w = weights[k][lane];
      extreme[lane] = std::fabs(w) > std::fabs(extreme[lane]) ? w : extreme[lane];
    }
  }
}

// The scales, rounded to f16 and never a negative zero, and their quants: zeros where the scale is zero or NaN.
inline void write(const WeightGroup& weights, const Lane& best, float low, float high, Lane& scales,
                  QuantGroup& quants) noexcept {
  Lane inverse;
  for (int lane = 0; lane < kLanes; ++lane) {
    scales[lane] = best[lane] == 0.0F ? 0.0F : best[lane];
    inverse[lane] = inverse_of(scales[lane]);
  }
  for (int k = 0; k < kQuantGroup; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float q = round_within(weights[k][lane] * inverse[lane], low, high);
      quants[k][lane] = static_cast<std::int8_t>(static_cast<std::int32_t>(std::fabs(scales[lane]) > 0.0F ? q : 0.0F));
    }
  }
}

// Tries extreme / level for every level, and the least squares fit of the quants that it gives.
void search(const WeightGroup& weights, const float* levels, int count, float low, float high, float* scales,
            QuantGroup& quants) noexcept {
  Lane extreme, scale, inverse;
  extremes(weights, extreme);
  Best best = {};
  std::fill_n(best.error, kLanes, HUGE_VALF);
  for (int i = 0; i < count; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) {
      scale[lane] = extreme[lane] / levels[i];
      inverse[lane] = extreme[lane] == 0.0F ? 0.0F : levels[i] / extreme[lane];
    }
    try_scale(weights, scale, low, high, best);
    fit_scale(weights, inverse, low, high, scale);
    try_scale(weights, scale, low, high, best);
  }
  // No scale reaches weights that are not finite, or too large for halves: NaN tells, where quants would hide it.
  for (int lane = 0; lane < kLanes; ++lane) {
    const bool found = best.error[lane] < HUGE_VALF;
    best.scale[lane] = found ? best.scale[lane] : std::numeric_limits<float>::quiet_NaN();
  }
  Lane chosen;
  write(weights, best.scale, low, high, chosen, quants);
  std::copy_n(chosen, kLanes, scales);
}
