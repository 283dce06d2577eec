// The reference product: plain loops in the order numerics.h defines.
#include "kernels/scalar.h"

#include <algorithm>
#include <cmath>

#include "kernels/numerics.h"
#include "kernels/scalar_math.h"

namespace moe::kernels::scalar {
namespace {

// weights[k - k_begin][16] <- one block of a tile, widened.
void widen_block(const PackedMatrix& w, std::int64_t tile_index, std::int64_t k_begin, std::int64_t k_end,
                 float (*weights)[kLanes]) noexcept {
  const std::byte* tile = w.tile(tile_index);
  for (std::int64_t k = k_begin; k < k_end; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      float& out = weights[k - k_begin][lane];
      switch (w.type()) {
        case WeightType::f32:
          out = reinterpret_cast<const float*>(tile)[k * kLanes + lane];
          break;
        case WeightType::f16:
          out = widen_f16(reinterpret_cast<const std::uint16_t*>(tile)[k * kLanes + lane]);
          break;
        case WeightType::bf16:
          out =
              widen_bf16(reinterpret_cast<const std::uint16_t*>(tile)[((k / 2) * kLanes + lane) * 2 + k % 2]);
          break;
      }
    }
  }
}

}  // namespace

void matmul(const PackedMatrix& w, const float* x, std::ptrdiff_t ldx, std::int64_t rows, float* y,
            std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end) {
  const std::int64_t cols = w.cols();
  float weights[kBlockK][kLanes];
  for (std::int64_t n = n_begin; n < n_end; n += kLanes) {
    const int lanes = static_cast<int>(std::min<std::int64_t>(kLanes, n_end - n));
    if (cols == 0) {
      for (std::int64_t r = 0; r < rows; ++r) std::fill_n(y + r * ldy + n, lanes, 0.0F);
    }
    for (std::int64_t k_begin = 0; k_begin < cols; k_begin += kBlockK) {
      const std::int64_t k_end = std::min<std::int64_t>(cols, k_begin + kBlockK);
      widen_block(w, n / kLanes, k_begin, k_end, weights);
      for (std::int64_t r = 0; r < rows; ++r) {
        for (int lane = 0; lane < lanes; ++lane) {
          float sum = 0.0F;
          for (std::int64_t k = k_begin; k < k_end; ++k) {
            sum = std::fma(weights[k - k_begin][lane], x[r * ldx + k], sum);
          }
          float& out = y[r * ldy + n + lane];
          out = k_begin == 0 ? sum : out + sum;
        }
      }
    }
  }
}

}  // namespace moe::kernels::scalar
