// The comparator: OpenBLAS for the products, the best table of this processor for everything else.
//
// It is not bound by the bitwise contract: OpenBLAS chooses its order of summation by shape. Weights are
// widened and laid out for it block by block in each call, which is part of its price here. OpenBLAS is told
// to use one thread, for the whole process: the callers split the outputs.
#include <cblas.h>

#include <algorithm>
#include <cstring>

#include "kernels/scalar_math.h"
#include "kernels/scratch.h"
#include "kernels/tables.h"

namespace moe::kernels {
namespace {

constexpr std::int64_t kOutputs = 256;  // outputs widened at a time

// columns[k * kOutputs + n] = w[n_begin + n, k] for `tiles` whole tiles.
void widen_tiles(const PackedMatrix& w, std::int64_t first_tile, std::int64_t tiles, float* columns) {
  const std::int64_t cols = w.cols();
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::byte* tile = w.tile(first_tile + t);
    for (std::int64_t k = 0; k < cols; ++k) {
      float* out = columns + k * kOutputs + t * kLanes;
      if (w.type() == WeightType::f32) {
        std::memcpy(out, reinterpret_cast<const float*>(tile) + k * kLanes, kLanes * sizeof(float));
        continue;
      }
      const auto* halves = reinterpret_cast<const std::uint16_t*>(tile);
      for (int lane = 0; lane < kLanes; ++lane) {
        out[lane] = w.type() == WeightType::f16 ? widen_f16(halves[k * kLanes + lane])
                                                : widen_bf16(halves[((k / 2) * kLanes + lane) * 2 + k % 2]);
      }
    }
  }
}

void matmul(const PackedMatrix& w, const float* x, std::ptrdiff_t ldx, std::int64_t rows, float* y,
            std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end) {
  static thread_local Scratch scratch;
  const std::int64_t cols = w.cols();
  if (rows <= 0 || n_begin >= n_end) return;
  if (cols == 0) {
    for (std::int64_t r = 0; r < rows; ++r) std::fill(y + r * ldy + n_begin, y + r * ldy + n_end, 0.0F);
    return;
  }
  float* columns = scratch.floats(kOutputs * cols);
  for (std::int64_t n = n_begin; n < n_end; n += kOutputs) {
    const std::int64_t count = std::min(kOutputs, n_end - n);
    widen_tiles(w, n / kLanes, (count + kLanes - 1) / kLanes, columns);
    if (rows == 1) {
      cblas_sgemv(CblasRowMajor, CblasTrans, static_cast<int>(cols), static_cast<int>(count), 1.0F, columns,
                  kOutputs, x, 1, 0.0F, y + n, 1);
    } else {
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(rows), static_cast<int>(count),
                  static_cast<int>(cols), 1.0F, x, static_cast<int>(ldx), columns, kOutputs, 0.0F, y + n,
                  static_cast<int>(ldy));
    }
  }
}

}  // namespace

const KernelTable& openblas_table() {
  static const KernelTable table = [] {
    openblas_set_num_threads(1);
    KernelTable made = select_kernels(std::string_view());
    made.name = "openblas";
    made.matmul = matmul;
    return made;
  }();
  return table;
}

}  // namespace moe::kernels
