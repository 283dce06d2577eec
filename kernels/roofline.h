// The limits of this machine, measured in this process: what kernels are judged against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/kernel_table.h"
#include "kernels/packed_matrix.h"
#include "kernels/thread_team.h"

namespace moe::kernels {

struct RooflineKernels;

struct ReadPattern {
  int streams = 1;        // runs side by side
  bool fetched = false;   // asked for ahead, as products of few rows ask for their weights
  std::int64_t run = 1024;  // floats of a run; a multiple of 64
};

// Memory that a team reads again and again, each worker its own part. Table and team outlive it; one thread at a time.
class ReadBandwidth {
 public:
  // `bytes` of anonymous memory (huge pages where granted; take several times the last-level cache), written at
  // once. Throws std::bad_alloc where they are refused.
  ReadBandwidth(const KernelTable& table, ThreadTeam& team, std::int64_t bytes);
  // Memory that is there, aligned to 64 bytes, which outlives this: how fast it can be read may depend on where it
  // lies. Throws std::invalid_argument where it is less than least_bytes.
  ReadBandwidth(const KernelTable& table, ThreadTeam& team, std::span<const std::byte> memory);
  static std::int64_t least_bytes(const ThreadTeam& team) noexcept;
  // Bytes per second the team reads together by the best of several patterns, one stream or runs side by side, fetched ahead or not:
  // the best of the passes that fit in `seconds`, two a pattern at least. What is best is kept for again().
  double measure(double seconds);
  // The same by the pattern that was best before, two passes: the bandwidth of this moment.
  double again();

 private:
  double best_time(ReadPattern pattern, double seconds);
  double bytes_read() const;

  const RooflineKernels& kernels_;
  ThreadTeam& team_;
  PackedMatrix own_;     // used for its memory: aligned, on huge pages, freed at the end
  const float* memory_;  // [workers][share_]
  std::int64_t share_;
  ReadPattern pattern_;
};

// ReadBandwidth once.
double measure_read_bandwidth(const KernelTable& table, ThreadTeam& team, std::int64_t bytes, double seconds);

// Operations per second (a multiply-add is two) of products in `compute` by the best sequence of instructions that
// `table` has for them, all workers together; the best of the passes that fit in `seconds`.
double measure_compute_peak(const KernelTable& table, ThreadTeam& team, Compute compute, double seconds);

}  // namespace moe::kernels
