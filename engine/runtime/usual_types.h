// What products compute in, and what keys and values are kept as, where the user leaves it open: the one rule for all
// programs.
#pragma once

#include "kernels/compute.h"
#include "kernels/kv_block.h"

namespace moe {

// f32 beside weights as they are stored; int8 beside quantised ones, whose integers it uses as they are.
constexpr kernels::Compute usual_compute(bool quantised) noexcept {
  return quantised ? kernels::Compute::int8 : kernels::Compute::f32;
}
// f32 where products compute in f32, else bf16.
constexpr kernels::KvType usual_kv_type(kernels::Compute compute) noexcept {
  return compute == kernels::Compute::f32 ? kernels::KvType::f32 : kernels::KvType::bf16;
}

}  // namespace moe
