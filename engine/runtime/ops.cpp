#include "engine/runtime/ops.h"

#include <algorithm>
#include <atomic>

namespace moe {

void Ops::matmul(const kernels::PackedMatrix& w, const float* x, std::int64_t ldx, std::int64_t rows, float* y,
                 std::int64_t ldy, const std::vector<float>& bias) const {
  if (rows == 0) return;
  team_.parallel_for(w.rows(), kernels::row_granularity(), [&](std::int64_t begin, std::int64_t end, int) {
    table_.matmul(w, x, ldx, rows, y, ldy, begin, end);
    if (bias.empty()) return;
    for (std::int64_t r = 0; r < rows; ++r) {
      float* out = y + r * ldy + begin;
      table_.add(out, bias.data() + begin, end - begin, out);
    }
  });
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
