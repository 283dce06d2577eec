#include "engine/runtime/ops.h"

#include <algorithm>
#include <atomic>

#include "kernels/multiply.h"

namespace moe {
namespace {

// Products of fewer rows are bound by reading the weights.
constexpr std::int64_t kFewRows = 8;

// Cuts `units` of work for threads that take pieces as they come: half of what is left in equal pieces, one a thread, and so
// on. Large pieces share what they read, small ones at the end leave no thread waiting for long. Returns the pieces' ends.
std::vector<std::int64_t> shrinking_pieces(std::int64_t units, std::int64_t threads) {
  std::vector<std::int64_t> ends;
  for (std::int64_t done = 0; done < units;) {
    const std::int64_t piece = (units - done + 2 * threads - 1) / (2 * threads);
    ends.push_back(done += piece);
  }
  return ends;
}

}  // namespace

const kernels::PackedInput& Ops::prepare(kernels::Compute compute, const float* x, std::int64_t ldx,
                                         std::int64_t rows, std::int64_t cols, const std::int32_t* source) {
  input_.bind(table_, compute, x, ldx, rows, cols, source);
  if (!input_.borrowed()) {
    team_.parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end, int) { table_.prepare(input_, begin, end); });
  }
  return input_;
}

const kernels::PackedInput& Ops::prepare(kernels::WeightType type, const float* x, std::int64_t ldx,
                                         std::int64_t rows, std::int64_t cols, const std::int32_t* source) {
  return prepare(kernels::product_compute(type, compute_), x, ldx, rows, cols, source);
}

void Ops::matmul(const kernels::PackedMatrix& w, const kernels::InputRows& x, float* y, std::int64_t ldy,
                 const kernels::Epilogue& epilogue) const {
  if (x.rows == 0) return;
  const auto multiply = [&](std::int64_t begin, std::int64_t end) {
    kernels::multiply(table_, w, x, epilogue, y, ldy, begin, end);
  };
  if (team_.size() == 1) return multiply(0, w.outputs());
  if (x.rows < kFewRows) {  // bound by reading the weights, each thread its own run of them
    return team_.parallel_for(w.outputs(), kernels::row_granularity(),
                              [&](std::int64_t begin, std::int64_t end, int) { multiply(begin, end); });
  }
  // Processors differ in speed, virtual ones from one moment to the next. Parts are of whole pairs of tiles.
  const std::int64_t pair = (w.order() == kernels::RowOrder::gate_up ? 1 : 2) * kernels::row_granularity();
  const std::int64_t pairs = (w.outputs() + pair - 1) / pair;
  const std::vector<std::int64_t> ends = shrinking_pieces(pairs, team_.size());
  for_tasks(std::int64_t(ends.size()), [&](std::int64_t i, int) {
    multiply((i == 0 ? 0 : ends[i - 1]) * pair, std::min(w.outputs(), ends[i] * pair));
  });
}

void Ops::matmul(const kernels::PackedMatrix& w, const float* x, std::int64_t ldx, std::int64_t rows, float* y,
                 std::int64_t ldy, const kernels::Epilogue& epilogue) {
  const auto multiply_rows = [&](std::int64_t first, std::int64_t count) {
    matmul(w, prepare(w.type(), x + first * ldx, ldx, count, w.cols()).all(), y + first * ldy, ldy,
           from_row(epilogue, first));
  };
  // An unpacked matrix is packed in the course of each product: once for all rows.
  if (w.is_unpacked()) return multiply_rows(0, rows);
  for_row_blocks(rows, multiply_rows);
}

void Ops::matmul_parts(std::span<const Part> parts, const float* x, std::int64_t ldx, std::int64_t rows,
                       const std::int32_t* source, float* y, std::int64_t ldy) {
  // Parts of one compute type share a prepared input; that is all of them, unless a checkpoint mixes its types.
  for (const auto compute : {kernels::Compute::f32, kernels::Compute::bf16, kernels::Compute::int8}) {
    std::vector<const Part*> alike;
    for (const Part& part : parts) {
      if (kernels::product_compute(part.w->type(), compute_) == compute) alike.push_back(&part);
    }
    if (!alike.empty()) run_parts(alike, prepare(compute, x, ldx, rows, alike.front()->w->cols(), source), y, ldy);
  }
}

void Ops::run_parts(std::span<const Part* const> parts, const kernels::PackedInput& input, float* y,
                    std::int64_t ldy) const {
  struct Task {
    const Part* part;
    std::int64_t begin, end;  // outputs
    std::int64_t work() const { return part->rows * (end - begin); }
  };
  // Few rows are bound by reading the weights: longer runs. A lone thread has nothing to balance.
  constexpr std::int64_t kShort = 4 * kernels::row_granularity(), kLong = 16 * kernels::row_granularity();
  std::vector<Task> tasks;
  for (const Part* part : parts) {
    const std::int64_t outputs = part->w->outputs();
    const std::int64_t step = team_.size() == 1 ? outputs : part->rows < kFewRows ? kLong : kShort;
    for (std::int64_t n = 0; n < outputs; n += step) tasks.push_back({part, n, std::min(outputs, n + step)});
  }
  // The largest first, so that what is left at the end is small.
  if (team_.size() > 1) std::ranges::stable_sort(tasks, std::ranges::greater{}, &Task::work);
  for_tasks(std::int64_t(tasks.size()), [&](std::int64_t i, int) {
    const Task& task = tasks[i];
    const Part& part = *task.part;
    kernels::multiply(table_, *part.w, input.rows(part.first, part.rows), part.epilogue, y + part.first * ldy, ldy, task.begin, task.end);
  });
}

void Ops::matmul_f32(const kernels::PackedMatrix& w, const float* x, std::int64_t ldx, std::int64_t rows, float* y,
                     std::int64_t ldy) {
  if (rows == 0) return;
  matmul(w, prepare(kernels::Compute::f32, x, ldx, rows, w.cols(), nullptr).all(), y, ldy);
}

void Ops::matmul_here(const kernels::PackedMatrix& w, const float* x, std::int64_t ldx, std::int64_t rows, float* y,
                      std::int64_t ldy) const {
  thread_local kernels::PackedInput input;
  if (rows == 0) return;
  input.bind(table_, kernels::product_compute(w.type(), compute_), x, ldx, rows, w.cols());
  table_.prepare(input, 0, rows);
  kernels::multiply(table_, w, input.all(), {}, y, ldy, 0, w.outputs());
}

void Ops::for_tasks(std::int64_t tasks, kernels::FunctionRef<void(std::int64_t, int)> f) const {
  if (team_.size() == 1 || tasks <= 1) {
    for (std::int64_t i = 0; i < tasks; ++i) f(i, 0);
    return;
  }
  std::atomic<std::int64_t> next{0};
  team_.run([&](int worker, int) {
    for (std::int64_t i = next.fetch_add(1); i < tasks; i = next.fetch_add(1)) f(i, worker);
  });
}

void Ops::activate(const ActivationSpec& spec, const float* gate, const float* up, std::int64_t width,
                   float* out) const {
  switch (spec.kind) {
    case ActivationSpec::Kind::silu: table_.silu_mul(gate, up, width, out); return;
    case ActivationSpec::Kind::gelu_tanh: table_.gelu_tanh_mul(gate, up, width, out); return;
    case ActivationSpec::Kind::clamped_swiglu:
      table_.clamped_swiglu(gate, up, spec.alpha, spec.limit, width, out);
      return;
  }
}

kernels::Epilogue gated_epilogue(const ActivationSpec& spec, const std::vector<float>& bias) {
  kernels::Epilogue epilogue = with_bias(bias);
  switch (spec.kind) {
    case ActivationSpec::Kind::silu: epilogue.activation = kernels::Activation::silu; break;
    case ActivationSpec::Kind::gelu_tanh: epilogue.activation = kernels::Activation::gelu_tanh; break;
    case ActivationSpec::Kind::clamped_swiglu:
      epilogue.activation = kernels::Activation::clamped_swiglu;
      epilogue.alpha = spec.alpha;
      epilogue.limit = spec.limit;
      break;
  }
  return epilogue;
}

std::uint64_t norm_flops(const NormSpec& spec, std::uint64_t n) { return (spec.weighted ? 4 : 3) * n; }

std::uint64_t activation_flops(const ActivationSpec& spec, std::uint64_t n) {
  switch (spec.kind) {
    case ActivationSpec::Kind::silu: return 5 * n;
    case ActivationSpec::Kind::gelu_tanh: return 10 * n;
    case ActivationSpec::Kind::clamped_swiglu: return 7 * n;
  }
  return 0;
}

}  // namespace moe
