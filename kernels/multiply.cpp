#include "kernels/multiply.h"

#include <algorithm>

#include "kernels/scratch.h"

namespace moe::kernels {
namespace {

// Tiles that are packed at once: few enough to be read back from L2, enough for a kernel that walks several.
constexpr std::int64_t kScratchBytes = std::int64_t{1} << 18;
constexpr std::int64_t kMostGroups = 8;

// Outputs [n, n + count) of an unpacked matrix, packed into scratch and multiplied as a matrix of its own.
void multiply_window(const KernelTable& table, const PackedMatrix& w, const InputRows& x,
                     const Epilogue& epilogue, float* y, std::ptrdiff_t ldy, std::int64_t n,
                     std::int64_t count, std::byte* scratch) {
  const bool gated = w.order() == RowOrder::gate_up;
  const std::int64_t tiles = (count + kLanes - 1) / kLanes * (gated ? 2 : 1),
                     first = n / kLanes * (gated ? 2 : 1);
  pack_tiles(w, first, first + tiles, scratch);
  const PackedMatrix window =
      PackedMatrix::over(scratch, w.type(), gated ? 2 * count : count, w.cols(), w.order());
  Epilogue moved = epilogue;
  float biases[2 * kMostGroups * kLanes];
  if (epilogue.bias != nullptr) {
    moved.bias = epilogue.bias + n;
    if (gated) {  // gate and up biases lie as far apart as the matrix is high
      std::copy_n(epilogue.bias + n, count, biases);
      std::copy_n(epilogue.bias + w.outputs() + n, count, biases + count);
      moved.bias = biases;
    }
  }
  if (epilogue.residual != nullptr) moved.residual = epilogue.residual + n;
  table.matmul(window, x, moved, y + n, ldy, 0, count);
}

}  // namespace

void multiply(const KernelTable& table, const PackedMatrix& w, const InputRows& x, const Epilogue& epilogue,
              float* y, std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end) {
  if (!w.is_unpacked()) return table.matmul(w, x, epilogue, y, ldy, n_begin, n_end);
  static thread_local Scratch memory;
  const std::int64_t group_bytes = w.tile_stride() * (w.order() == RowOrder::gate_up ? 2 : 1);
  const std::int64_t groups =
      std::clamp<std::int64_t>(kScratchBytes / std::max<std::int64_t>(group_bytes, 1), 1, kMostGroups);
  auto* scratch =
      reinterpret_cast<std::byte*>(memory.floats(groups * group_bytes / std::int64_t{sizeof(float)}));
  for (std::int64_t n = n_begin; n < n_end; n += groups * kLanes) {
    multiply_window(table, w, x, epilogue, y, ldy, n, std::min(groups * kLanes, n_end - n), scratch);
  }
}

}  // namespace moe::kernels
