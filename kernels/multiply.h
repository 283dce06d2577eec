// A product with any matrix: packed ones go straight to the table, unpacked ones are packed a few tiles at a
// time.
#pragma once

#include "kernels/kernel_table.h"

namespace moe::kernels {

// table.matmul for packed and unpacked matrices alike, to the same bits. Thread-safe on disjoint outputs.
void multiply(const KernelTable& table, const PackedMatrix& w, const InputRows& x, const Epilogue& epilogue,
              float* y, std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end);

}  // namespace moe::kernels
