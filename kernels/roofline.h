// The limits of this machine, measured in this process: what kernels are judged against.
#pragma once

#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"

namespace moe::kernels {

// Bytes per second the team reads together, each worker its own part of `bytes` of anonymous memory (huge
// pages where granted; take several times the last-level cache), by the best of several patterns: one stream,
// or pages side by side. The best of the passes that fit in `seconds`, two a pattern at least. Throws
// std::bad_alloc where memory is refused.
double measure_read_bandwidth(const KernelTable& table, ThreadTeam& team, std::int64_t bytes, double seconds);

// Operations per second (a multiply-add is two) of products in `compute` by the best sequence of instructions that
// `table` has for them, all workers together; the best of the passes that fit in `seconds`.
double measure_compute_peak(const KernelTable& table, ThreadTeam& team, Compute compute, double seconds);

}  // namespace moe::kernels
