// The scalar reference kernels that have a file of their own.
#pragma once

#include "kernels/kernel_table.h"

namespace moe::kernels::scalar {

void matmul(const PackedMatrix& w, const float* x, std::ptrdiff_t ldx, std::int64_t rows, float* y,
            std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end);
void attention(const AttentionArgs& args);

}  // namespace moe::kernels::scalar
