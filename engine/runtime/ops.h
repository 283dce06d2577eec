// The kernels spread over a thread team: products split over outputs, row-wise work over rows. The split never
// changes a bit, for no sum crosses it.
#pragma once

#include <cstdint>

#include "engine/model/spec.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"

namespace moe {

class Ops {
 public:
  Ops(const kernels::KernelTable& table, kernels::ThreadTeam& team) : table_(table), team_(team) {}

  const kernels::KernelTable& table() const { return table_; }
  kernels::ThreadTeam& team() const { return team_; }

  // y[rows, w.rows] = x[rows, w.cols] W^T (+ bias), rows of x and y `ldx` and `ldy` floats apart.
  void matmul(const kernels::PackedMatrix& w, const float* x, std::int64_t ldx, std::int64_t rows, float* y,
              std::int64_t ldy, const std::vector<float>& bias = {}) const;

  // f(row) for every row, spread over the team.
  template <class F>
  void for_rows(std::int64_t rows, F&& f) const {
    team_.parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t r = begin; r < end; ++r) f(r);
    });
  }
  // f(task, worker) for every task, handed out one at a time: for tasks of unequal size.
  void for_tasks(std::int64_t tasks, kernels::FunctionRef<void(std::int64_t, int)> f) const;

  void norm(const NormSpec& spec, const std::vector<float>& weight, const float* x, std::int64_t n, float* y) const {
    table_.rmsnorm(x, spec.weighted ? weight.data() : nullptr, spec.add_one, spec.eps, n, y);
  }
  // out[width] = act(gate) * up; in place on gate allowed.
  void activate(const ActivationSpec& spec, const float* gate, const float* up, std::int64_t width, float* out) const;

 private:
  const kernels::KernelTable& table_;
  kernels::ThreadTeam& team_;
};

// Class B FLOPs of norm and activation on n elements.
std::uint64_t norm_flops(const NormSpec& spec, std::uint64_t n);
std::uint64_t activation_flops(const ActivationSpec& spec, std::uint64_t n);

}  // namespace moe
