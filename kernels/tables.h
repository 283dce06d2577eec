// The tables of this build and what they share; private to kernels/.
#pragma once

#include <string>

#include "kernels/kernel_table.h"

namespace moe::kernels {

extern const KernelTable kScalarTable;
extern const KernelTable kAvx2Table;
extern const KernelTable kAvx512Table;
extern const KernelTable kAvx512VnniTable;
extern const KernelTable kAvx512Bf16Table;
extern const KernelTable kAmxTable;
// A comparator: OpenBLAS multiplies, everything else comes from the best table of this processor.
const KernelTable& openblas_table();

// The instructions each table needs that this processor (or its operating system) lacks, as text; empty if
// none.
std::string missing_for_avx2();
std::string missing_for_avx512();
std::string missing_for_avx512vnni();
std::string missing_for_avx512bf16();
std::string missing_for_amx();
// Whether a bf16 dot product takes longer than the two multiply-adds it stands for: then there is no use in it.
bool bf16_dots_are_slow();
// In how many streams of ascending addresses, side by side, memory is read fastest: one, which the processor fetches ahead by
// itself; four, in which software asks for each line once, shortly before; or eight, in which it asks from afar as well.
int fastest_streams() noexcept;
// Says so in the processor's place: tests take all ways on any machine. Not while products run.
void assume_fastest_streams(int streams) noexcept;

// What roofline.h measures with: reading n floats (n a multiple of 64), and rounds of independent operations of the
// best kind for each compute type. The results only keep the work from being optimised away.
struct ReadPattern;
struct RooflineKernels {
  struct Burn {
    float (*run)(std::int64_t iterations);
    std::int64_t operations;  // a round; a multiply-add is two
  };
  // Reads n floats, neighbouring runs of the pattern side by side; n a multiple of all of them together.
  float (*read_all)(const float* x, std::int64_t n, ReadPattern pattern);
  Burn burn[3];  // by Compute
};
extern const RooflineKernels kScalarRoofline;
extern const RooflineKernels kAvx2Roofline;
extern const RooflineKernels kAvx512Roofline;
extern const RooflineKernels kAvx512VnniRoofline;
extern const RooflineKernels kAvx512Bf16Roofline;
extern const RooflineKernels kAmxRoofline;
// Those of a table; of the table it borrows from for a comparator.
const RooflineKernels& roofline_kernels(const KernelTable& table);

// Selection by the total order (greater value, then lower index; NaN last), for k too large to insert one by
// one.
void top_k_by_sorting(const float* x, std::int64_t n, int k, float* values, std::int32_t* indices);
// Inserts x[index] into the descending list of `size` entries, at most k long; indices arrive ascending.
// Returns the new size.
int top_k_insert(float value, std::int32_t index, int size, int k, float* values,
                 std::int32_t* indices) noexcept;

// log_sum_exp where the maximum is infinite: the maximum, or NaN if any element is.
double log_sum_exp_of_infinite(const float* x, std::int64_t n, float maximum) noexcept;

}  // namespace moe::kernels
