// Adding up what each step of a forward pass did: for every feed as if alone, and for the pass as a whole.
#include "engine/runtime/forward_pass.h"
#include "engine/runtime/router.h"

namespace moe {

void Executor::Pass::tally(Component c, std::uint64_t a_per_row, std::uint64_t b_per_row, std::int64_t bytes_once) {
  const auto add = [&](CostMeter* meter, std::int64_t rows, std::int64_t bytes) {
    if (meter == nullptr) return;
    meter->costs().a(c, a_per_row * std::uint64_t(rows));
    meter->costs().b(c, b_per_row * std::uint64_t(rows));
    meter->costs().weight_bytes += std::uint64_t(bytes);
  };
  for (const Span& span : spans_) add(span.feed->meter, span.rows, bytes_once);
  if (rows_ > 0) add(executed_, rows_, bytes_once);
  lap(c, std::uint64_t(bytes_once));
}

void Executor::Pass::tally_matrix(Component c, const kernels::PackedMatrix& w, bool bias) {
  tally(c, 2 * std::uint64_t(w.rows()) * std::uint64_t(w.cols()), bias ? std::uint64_t(w.rows()) : 0, stored_bytes(w));
}

void Executor::Pass::tally_norm(const NormSpec& spec, std::uint64_t elements_per_row) {
  tally(Component::norm, 0, norm_flops(spec, elements_per_row));
}

// The experts that rows chose in this layer: FLOPs by row, bytes by distinct expert.
void Executor::Pass::tally_choices(std::int32_t index) {
  const ExpertsSpec& e = *spec_.layers[index].experts;
  const auto hidden = std::uint64_t(spec_.hidden), width = std::uint64_t(e.width), k = std::uint64_t(e.router.top_k);
  const std::uint64_t a = 2 * 3 * hidden * width * k;
  std::uint64_t b = k * (activation_flops(e.activation, width) + 2 * hidden);
  if (e.bias) b += k * (2 * width + hidden);
  tally(Component::experts, a, b);

  const auto count_distinct = [&](CostMeter* meter, std::int64_t first_row, std::int64_t rows) -> std::uint64_t {
    std::uint64_t bytes = 0;
    if (meter == nullptr) return bytes;
    std::vector<bool> seen(e.router.experts);
    for (std::int64_t i = first_row * e.router.top_k; i < (first_row + rows) * e.router.top_k; ++i) {
      const std::int32_t expert = chosen_[i];
      if (seen[expert]) continue;
      seen[expert] = true;
      meter->touch_expert(index, expert);
      const GatedWeights& w = model_.layers[index].experts[expert];
      bytes += std::uint64_t(stored_bytes(w.gate_up) + stored_bytes(w.down));
    }
    meter->costs().weight_bytes += bytes;
    return bytes;
  };
  for (const Span& span : spans_) count_distinct(span.feed->meter, span.first_row, span.rows);
  lap(Component::experts, count_distinct(executed_, 0, rows_));
}

}  // namespace moe
