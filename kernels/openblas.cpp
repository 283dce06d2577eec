// The comparator: OpenBLAS for the products in f32, the best table of this processor for everything else.
//
// It is not bound by the bitwise contract: OpenBLAS chooses its order of summation by shape. Weights are
// widened and laid out for it block by block in each call, and inputs made dense, which is part of its price
// here. OpenBLAS is told to use one thread, for the whole process: the callers split the outputs.
#include <cblas.h>

#include <algorithm>
#include <cstring>

#include "kernels/scalar_math.h"
#include "kernels/scratch.h"
#include "kernels/tables.h"
#include "kernels/tile_layout.h"

namespace moe::kernels {
namespace {

constexpr std::int64_t kTiles = 16;  // tiles widened at a time
constexpr std::int64_t kOutputs = kTiles * kLanes;

// columns[k * kOutputs + 16 t + lane] = weight k of `tiles` tiles from `first` on, `step` apart.
void widen_tiles(const PackedMatrix& w, std::int64_t first, std::int64_t step, std::int64_t tiles,
                 float* columns) {
  float weights[kBlockK][kLanes];
  for (std::int64_t t = 0; t < tiles; ++t) {
    for (std::int64_t k = 0; k < w.cols(); k += kBlockK) {
      const std::int64_t end = std::min<std::int64_t>(w.cols(), k + kBlockK);
      widen_tile(w, first + t * step, k, end, weights);
      for (std::int64_t i = k; i < end; ++i) {
        std::memcpy(columns + i * kOutputs + t * kLanes, weights[i - k], sizeof weights[0]);
      }
    }
  }
}

void make_dense(const InputRows& x, float* dense) {
  for (std::int64_t r = 0; r < x.rows; ++r) {
    for (std::int64_t k = 0; k < x.cols; k += kBlockK) {
      const std::int64_t count = std::min<std::int64_t>(kBlockK, x.cols - k);
      std::memcpy(dense + r * x.cols + k, x.block(k / kBlockK, r),
                  static_cast<std::size_t>(count) * sizeof(float));
    }
  }
}

// sums [rows][kOutputs] = dense [rows][cols] times columns.
void multiply(const float* dense, const float* columns, std::int64_t rows, std::int64_t cols, float* sums) {
  if (cols == 0) {
    std::fill_n(sums, rows * kOutputs, 0.0F);
  } else if (rows == 1) {
    cblas_sgemv(CblasRowMajor, CblasTrans, static_cast<int>(cols), kOutputs, 1.0F, columns, kOutputs, dense,
                1, 0.0F, sums, 1);
  } else {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(rows), kOutputs,
                static_cast<int>(cols), 1.0F, dense, static_cast<int>(cols), columns, kOutputs, 0.0F, sums,
                kOutputs);
  }
}

const KernelTable& rest() {
  static const KernelTable& table = select_kernels(std::string_view());
  return table;
}

// `count` outputs from n on of one row: bias, activation and residual, as Epilogue says.
void finish(const PackedMatrix& w, const Epilogue& e, float* sums, float* ups, std::int64_t row,
            std::int64_t n, std::int64_t count, float* y) {
  const bool gated = w.order() == RowOrder::gate_up;
  if (e.bias != nullptr) {
    rest().add(sums, e.bias + n, count, sums);
    if (gated) rest().add(ups, e.bias + w.outputs() + n, count, ups);
  }
  if (gated) {
    switch (e.activation) {
      case Activation::silu:
        rest().silu_mul(sums, ups, count, sums);
        break;
      case Activation::gelu_tanh:
        rest().gelu_tanh_mul(sums, ups, count, sums);
        break;
      case Activation::clamped_swiglu:
        rest().clamped_swiglu(sums, ups, e.alpha, e.limit, count, sums);
        break;
    }
  }
  if (e.residual == nullptr) {
    std::memcpy(y, sums, static_cast<std::size_t>(count) * sizeof(float));
  } else {
    rest().add(e.residual + row * e.residual_stride + n, sums, count, y);
  }
}

void matmul(const PackedMatrix& w, const InputRows& x, const Epilogue& epilogue, float* y, std::ptrdiff_t ldy,
            std::int64_t n_begin, std::int64_t n_end) {
  static thread_local Scratch scratch;
  if (x.compute != Compute::f32) return rest().matmul(w, x, epilogue, y, ldy, n_begin, n_end);
  const std::int64_t cols = w.cols();
  if (x.rows <= 0 || n_begin >= n_end) return;
  const std::int64_t step = w.order() == RowOrder::gate_up ? 2 : 1;
  float* columns = scratch.floats(kOutputs * cols + x.rows * (cols + 2 * kOutputs));
  float* dense = columns + kOutputs * cols;
  float* sums = dense + x.rows * cols;
  float* ups = sums + x.rows * kOutputs;
  make_dense(x, dense);
  for (std::int64_t n = n_begin; n < n_end; n += kOutputs) {
    const std::int64_t count = std::min(kOutputs, n_end - n), tiles = (count + kLanes - 1) / kLanes;
    for (std::int64_t half = 0; half < step; ++half) {
      widen_tiles(w, n / kLanes * step + half, step, tiles, columns);
      multiply(dense, columns, x.rows, cols, half == 0 ? sums : ups);
    }
    for (std::int64_t r = 0; r < x.rows; ++r) {
      finish(w, epilogue, sums + r * kOutputs, ups + r * kOutputs, r, n, count, y + r * ldy + n);
    }
  }
}

}  // namespace

const KernelTable& openblas_table() {
  static const KernelTable table = [] {
    openblas_set_num_threads(1);
    KernelTable made = rest();
    made.name = "openblas";
    made.matmul = matmul;
    return made;
  }();
  return table;
}

}  // namespace moe::kernels
