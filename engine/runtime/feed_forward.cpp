// The feed-forward parts of a layer: a dense MLP, routed experts, a shared expert, alone or side by side.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/runtime/forward_pass.h"
#include "engine/runtime/router.h"

namespace moe {

void Executor::Pass::feed_forward(std::int32_t index) {
  const LayerSpec& layer = spec_.layers[index];
  const LayerWeights& w = model_.layers[index];
  const std::int64_t hidden = spec_.hidden;
  const Rows x = residual_stream(), normed = spread(norm_, rows_, hidden);
  const Rows branch = branch_or_residual(layer.dense && !layer.experts && !layer.shared && !layer.post_ff_norm);
  const auto add_branch = [&](const Rows& other) {
    ops_.for_rows(rows_, [&](std::int64_t r) { ops_.table().add(branch[r], other[r], hidden, branch[r]); });
  };

  norm_rows(layer.ff_norm, w.ff_norm, x, normed);
  if (layer.dense) {
    gated(w.dense, layer.dense->activation, layer.dense->width, normed, rows_, branch);
    tally_matrix(Component::dense_mlp, w.dense.gate_up, layer.dense->bias);
    tally_matrix(Component::dense_mlp, w.dense.down, layer.dense->bias);
    tally(Component::dense_mlp, 0, activation_flops(layer.dense->activation, layer.dense->width));
  }
  if (layer.dense && layer.experts) {
    const Rows second = spread(branch2_, rows_, hidden);
    if (layer.dense_out_norm) norm_rows(*layer.dense_out_norm, w.dense_out_norm, branch, branch);
    if (layer.experts_in_norm) norm_rows(*layer.experts_in_norm, w.experts_in_norm, x, normed);
    experts(index, normed, layer.experts->router.own_input ? x : normed, second);
    if (layer.experts_out_norm) norm_rows(*layer.experts_out_norm, w.experts_out_norm, second, second);
    add_branch(second);
    tally(Component::elementwise, 0, hidden);
  } else if (layer.experts) {
    experts(index, normed, layer.experts->router.own_input ? x : normed, branch);
  }
  if (layer.shared) {
    const Rows second = spread(branch2_, rows_, hidden);
    shared_expert(index, normed, second);
    add_branch(second);
  }
  residual(layer.post_ff_norm, w.post_ff_norm, branch);
}

// out = W_down(act(W_gate x) * W_up x), added where out is the residual stream; x and out [rows, H].
void Executor::Pass::gated(const GatedWeights& w, const ActivationSpec& act, std::int64_t width, const Rows& x,
                           std::int64_t rows, const Rows& out) {
  const kernels::Epilogue gate_up = gated_epilogue(act, w.gate_up_bias), down = into(out, w.down_bias);
  const auto run_rows = [&](std::int64_t first, std::int64_t count) {
    const Rows inner = spread(hidden_, count, width);
    ops_.matmul(w.gate_up, x[first], x.stride, count, inner.data, inner.stride, gate_up);
    ops_.matmul(w.down, inner.data, inner.stride, count, out[first], out.stride, from_row(down, first));
  };
  if (w.gate_up.is_unpacked()) return run_rows(0, rows);
  ops_.for_row_blocks(rows, run_rows);
}

void Executor::Pass::shared_expert(std::int32_t index, const Rows& x, const Rows& out) {
  const SharedExpertSpec& s = *spec_.layers[index].shared;
  const LayerWeights& w = model_.layers[index];
  gated(w.shared, s.activation, s.width, x, rows_, out);
  tally_matrix(Component::shared_expert, w.shared.gate_up);
  tally_matrix(Component::shared_expert, w.shared.down);
  // The sum with the routed experts counts here: 1 a component, and the gate's product another.
  tally(Component::shared_expert, 0, activation_flops(s.activation, s.width) + std::uint64_t(spec_.hidden) * (s.gated ? 2 : 1) + (s.gated ? 3 : 0));
  if (!s.gated) return;
  float* gate = router_.get(rows_);
  ops_.matmul_f32(w.shared_expert_gate, x.data, x.stride, rows_, gate, 1);
  ops_.table().sigmoid(gate, rows_, gate);
  ops_.for_rows(rows_, [&](std::int64_t r) { ops_.table().scale(out[r], gate[r], spec_.hidden, out[r]); });
  tally_matrix(Component::shared_expert, w.shared_expert_gate);
}

// Fills chosen_ and chosen_weights_ for every row.
void Executor::Pass::choose_experts(std::int32_t index, Rows router_in) {
  const RouterSpec& r = spec_.layers[index].experts->router;
  const LayerWeights& w = model_.layers[index];
  const std::int64_t hidden = spec_.hidden, count = r.experts, k = r.top_k;
  if (r.own_input) {
    // norm(residual) * scale * H^-1/2
    const Rows own = spread(expert_in_, rows_, hidden);
    const float factor = 1.0F / std::sqrt(static_cast<float>(hidden));
    ops_.for_rows(rows_, [&](std::int64_t row) {
      float* y = own[row];
      ops_.norm(r.input_norm, {}, router_in[row], hidden, y);
      for (std::int64_t i = 0; i < hidden; ++i) y[i] = y[i] * w.router_scale[i] * factor;
    });
    tally_norm(r.input_norm, hidden);
    tally(Component::router, 0, 2 * hidden);
    router_in = own;
  }
  float* logits = router_.get(rows_ * count);
  float* choice = choice_.get(rows_ * count);
  ops_.matmul_f32(w.router, router_in.data, router_in.stride, rows_, logits, count);
  tally_matrix(Component::router, w.router);
  tally(Component::router, 0, routing_flops(r));
  chosen_.resize(rows_ * k);
  chosen_weights_.resize(rows_ * k);
  ops_.for_rows(rows_, [&](std::int64_t row) {
    route(r, ops_.table(), {logits + row * count, std::size_t(count)}, w.router_bias, w.router_choice_bias,
          w.router_expert_scale, {choice + row * count, std::size_t(count)},
          {chosen_.data() + row * k, std::size_t(k)}, {chosen_weights_.data() + row * k, std::size_t(k)});
  });
  lap(Component::router);
}

// out[row] = sum over its chosen experts, ascending, of weight * expert(x[row]).
void Executor::Pass::experts(std::int32_t index, const Rows& x, const Rows& router_in, const Rows& out) {
  const ExpertsSpec& e = *spec_.layers[index].experts;
  const LayerWeights& w = model_.layers[index];
  const std::int64_t hidden = spec_.hidden, k = e.router.top_k;
  choose_experts(index, router_in);
  tally_choices(index);
  if (routing_ != nullptr) routing_->add(index, chosen_, chosen_weights_);

  // Counting sort of the (row, choice) slots by expert, rows ascending within an expert.
  expert_begin_.assign(e.router.experts + 1, 0);
  for (const std::int32_t expert : chosen_) ++expert_begin_[expert + 1];
  for (std::int32_t i = 0; i < e.router.experts; ++i) expert_begin_[i + 1] += expert_begin_[i];
  sorted_slots_.resize(rows_ * k);  // slot -> its place in the sorted order
  sorted_rows_.resize(rows_ * k);   // place -> row
  std::vector<std::int32_t> next(expert_begin_.begin(), expert_begin_.end() - 1);
  for (std::int64_t slot = 0; slot < rows_ * k; ++slot) {
    const std::int32_t place = next[chosen_[slot]]++;
    sorted_slots_[slot] = place;
    sorted_rows_[place] = std::int32_t(slot / k);
  }

  std::vector<Ops::Part> gate_up, down;
  for (std::int32_t i = 0; i < e.router.experts; ++i) {
    const std::int64_t first = expert_begin_[i], count = expert_begin_[i + 1] - first;
    if (count == 0) continue;
    const GatedWeights& expert = w.experts[i];
    gate_up.push_back({&expert.gate_up, first, count, gated_epilogue(e.activation, expert.gate_up_bias)});
    down.push_back({&expert.down, first, count, with_bias(expert.down_bias)});
  }
  const Rows inner = spread(hidden_, rows_ * k, e.width);
  const Rows results = spread(expert_out_, rows_ * k, hidden);
  ops_.matmul_parts(gate_up, x.data, x.stride, rows_ * k, sorted_rows_.data(), inner.data, inner.stride);
  ops_.matmul_parts(down, inner.data, inner.stride, rows_ * k, nullptr, results.data, results.stride);
  ops_.for_rows(rows_, [&](std::int64_t row) {
    float* sum = out[row];
    for (std::int64_t j = 0; j < k; ++j) {
      const float* result = results[sorted_slots_[row * k + j]];
      const float weight = chosen_weights_[row * k + j];
      if (j == 0) {
        ops_.table().scale(result, weight, hidden, sum);
      } else {
        ops_.table().scale_add(result, weight, hidden, sum);
      }
    }
  });
  lap(Component::experts);
}

}  // namespace moe
