// The AVX-512 tables emulated: bit for bit what the processor would give. They need AVX2, FMA and F16C.
#pragma once

#include "kernels/kernel_table.h"

namespace moe::kernels::test {

extern const KernelTable kSimdeAvx512Table;
extern const KernelTable kSimdeAvx512Bf16Table;
extern const KernelTable kSimdeAmxTable;

}  // namespace moe::kernels::test
