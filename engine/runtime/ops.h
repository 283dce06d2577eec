// The kernels spread over a thread team: products split over outputs, row-wise work over rows. The split never
// changes a bit, for no sum crosses it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/spec.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"

namespace moe {

class Ops {
 public:
  Ops(const kernels::KernelTable& table, kernels::ThreadTeam& team, kernels::Compute compute = kernels::Compute::f32)
      : table_(table), team_(team), compute_(compute) {}

  const kernels::KernelTable& table() const { return table_; }
  kernels::ThreadTeam& team() const { return team_; }

  // x [rows, cols] as products with weights of `type` read it, prepared by the team. Valid until the next call; x
  // must live as long, and source (row r is row source[r] of x) during the call.
  const kernels::PackedInput& prepare(kernels::WeightType type, const float* x, std::int64_t ldx, std::int64_t rows,
                                      std::int64_t cols, const std::int32_t* source = nullptr);
  // y[rows, w.outputs] = epilogue(x W^T), rows of y `ldy` floats apart.
  void matmul(const kernels::PackedMatrix& w, const kernels::InputRows& x, float* y, std::int64_t ldy,
              const kernels::Epilogue& epilogue = {}) const;
  // Both, so many rows at a time that what is prepared stays in the cache: x[rows, w.cols].
  void matmul(const kernels::PackedMatrix& w, const float* x, std::int64_t ldx, std::int64_t rows, float* y,
              std::int64_t ldy, const kernels::Epilogue& epilogue = {});
  // Products of parts of one input with matrices of their own: rows [first, first + rows) of y from the same rows of
  // the input, whose row r is row source[r] of x. One piece of work for the team, balanced whatever the parts' sizes.
  struct Part {
    const kernels::PackedMatrix* w;
    std::int64_t first, rows;
    kernels::Epilogue epilogue;
  };
  void matmul_parts(std::span<const Part> parts, const float* x, std::int64_t ldx, std::int64_t rows,
                    const std::int32_t* source, float* y, std::int64_t ldy);
  // A product in f32 whatever the others compute in: for numbers that decide something.
  void matmul_f32(const kernels::PackedMatrix& w, const float* x, std::int64_t ldx, std::int64_t rows, float* y,
                  std::int64_t ldy);
  // A product by the calling thread alone, within a task.
  void matmul_here(const kernels::PackedMatrix& w, const float* x, std::int64_t ldx, std::int64_t rows, float* y,
                   std::int64_t ldy) const;

  // f(first, count) for runs of rows of nearly equal size, few enough that the numbers between two products
  // of a layer stay in the second-level cache. All but the last are of whole panels, whatever multiplies them. The first run is a
  // longest one: buffers do not grow on the way.
  template <class F>
  void for_row_blocks(std::int64_t rows, F&& f) const {
    const std::int64_t blocks = (rows + table_.rows_together - 1) / table_.rows_together;
    const auto start = [&](std::int64_t b) {
      const std::int64_t step = blocks * kPanelRows;
      return std::min(rows, (rows * b + step - 1) / step * kPanelRows);
    };
    for (std::int64_t b = 0; b < blocks; ++b) f(start(b), start(b + 1) - start(b));
  }
  // No run is longer where `table` multiplies, nor is any of fewer rows.
  static std::int64_t block_rows(const kernels::KernelTable& table, std::int64_t rows) { return std::min(rows, table.rows_together); }
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
  // Of tiles (AMX), the largest; the rows of others' panels are made nearly equal.
  static constexpr std::int64_t kPanelRows = 32;

  void run_parts(std::span<const Part* const> parts, const kernels::PackedInput& input, float* y, std::int64_t ldy) const;
  const kernels::PackedInput& prepare(kernels::Compute compute, const float* x, std::int64_t ldx, std::int64_t rows,
                                      std::int64_t cols, const std::int32_t* source);

  const kernels::KernelTable& table_;
  kernels::ThreadTeam& team_;
  kernels::Compute compute_;
  kernels::PackedInput input_;
};

// The epilogue of a gated product: bias (empty: none), and the activation of gate rows times up rows.
kernels::Epilogue gated_epilogue(const ActivationSpec& spec, const std::vector<float>& bias);
inline kernels::Epilogue with_bias(const std::vector<float>& bias) {
  return {.bias = bias.empty() ? nullptr : bias.data()};
}
// The same for rows `first` and on.
inline kernels::Epilogue from_row(kernels::Epilogue epilogue, std::int64_t first) {
  if (epilogue.residual != nullptr) epilogue.residual += first * epilogue.residual_stride;
  return epilogue;
}

// Class B FLOPs of norm and activation on n elements.
std::uint64_t norm_flops(const NormSpec& spec, std::uint64_t n);
std::uint64_t activation_flops(const ActivationSpec& spec, std::uint64_t n);

}  // namespace moe
