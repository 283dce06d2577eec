// The scalar reference kernels that have a file of their own.
#pragma once

#include "kernels/tables.h"

namespace moe::kernels::scalar {

void prepare(const PackedInput& input, std::int64_t row_begin, std::int64_t row_end);
void matmul(const PackedMatrix& w, const InputRows& x, const Epilogue& epilogue, float* y, std::ptrdiff_t ldy,
            std::int64_t n_begin, std::int64_t n_end);
void attention(const AttentionArgs& args);

}  // namespace moe::kernels::scalar
