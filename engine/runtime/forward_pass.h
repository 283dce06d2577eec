// The state of one forward pass: its rows, its buffers, and the steps that the executor's source files implement.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "engine/runtime/executor.h"
#include "engine/runtime/ops.h"
#include "kernels/scratch.h"

namespace moe {

// Scratch that every pass writes before it reads.
class Buffer {
 public:
  float* get(std::int64_t floats) { return memory_.floats(floats); }
  const float* at(std::int64_t offset) const { return memory_.data() + offset; }

 private:
  kernels::Scratch memory_;
};

// Rows of numbers that one product writes and the next one reads.
struct Rows {
  float* data = nullptr;
  std::int64_t stride = 0;  // floats
  float* operator[](std::int64_t row) const { return data + row * stride; }
};

class Executor::Pass {
 public:
  Pass(const Model& model, const KvLayout& layout, const kernels::KernelTable& table, kernels::ThreadTeam& team,
       const Options& options);
  std::span<const float> run(std::span<const Feed> feeds, CostMeter* executed);

 private:
  // The rows of one feed: consecutive rows, consecutive positions.
  struct Span {
    const Feed* feed;
    std::int64_t first_row, rows;
    std::int32_t first_position;
  };
  // Rows of a span whose keys and values fill whole cache lines together, where there are so many.
  struct Stretch {
    const KvCache* cache;
    std::int64_t first_row;
    std::int32_t rows, first_position;
  };

  // executor.cpp: entry, head, and the order of things
  void embed(std::span<const Feed> feeds);
  void embed_per_layer();
  void per_layer_rows(const Rows& x, std::span<const std::int64_t> rows, std::int64_t first_layer,
                      const kernels::PackedMatrix& projection);
  void run_layer(std::int32_t index);
  // Rows of `more`, `width` floats each, move along.
  void keep_wanted_rows(const Rows& more = {}, std::int64_t width = 0);
  std::span<const float> head();
  void layer_input(std::int32_t index);
  // Rows at a distance that suits products.
  static Rows spread(Buffer& buffer, std::int64_t rows, std::int64_t cols) {
    const std::int64_t stride = kernels::spread_stride(cols);
    return {buffer.get(rows * stride), stride};
  }
  Rows residual_stream() { return spread(x_, rows_, spec_.hidden); }
  // Where a branch's last product goes: a buffer, or the residual stream itself where nothing stands between them.
  Rows branch_or_residual(bool direct) { return spread(direct ? x_ : branch_, rows_, spec_.hidden); }
  kernels::Epilogue into(const Rows& branch, const Vector& bias);
  void residual(const std::optional<NormSpec>& norm, const Vector& weight, const Rows& branch);
  void norm_rows(const NormSpec& spec, const Vector& weight, const Rows& from, const Rows& to);  // [rows, H]
  void angles();

  // attention_block.cpp
  void sort_spans();
  void attention(std::int32_t index);
  void grouped_attention(std::int32_t index);
  void attend(std::int32_t index, const Rows& q, const Rows& out);
  void count_heads(std::int32_t index);   // what is done with queries, keys and values before they meet
  void count_scores(std::int32_t index);
  // heads.cpp
  void make_heads(std::int32_t index);
  Rows normed_input(const LayerSpec& layer, const LayerWeights& w);
  void project(const LayerSpec& layer, const LayerWeights& w);
  void rotate(const AttentionSpec& a, std::int64_t row, float* x, std::int32_t heads, std::int64_t stride) const;
  void norm_heads(const NormSpec& spec, const Vector& weight, float* x, std::int32_t heads, std::int32_t dim, bool whole) const;
  void clamp_heads(const AttentionSpec& a, float* x, std::int64_t n) const {
    for (std::int64_t i = 0; a.clip_qkv > 0 && i < n; ++i) x[i] = std::clamp(x[i], -a.clip_qkv, a.clip_qkv);
  }
  void finish_head_row(const AttentionSpec& a, const NormSpec& norm, const Vector& weight, std::int64_t row, float* x,
                       std::int32_t heads) const;
  void finish_queries(const AttentionSpec& a, const AttentionWeights& w, const Stretch& stretch, float* x, std::int64_t stride,
                      std::int32_t heads) const;
  void finish_keys(const AttentionSpec& a, const AttentionWeights& w, const KvLayout::Place& place, const Stretch& stretch,
                   float* x, std::int64_t stride, std::int32_t first, std::int32_t heads) const;
  void finish_values(const AttentionSpec& a, const KvLayout::Place& place, const Stretch& stretch, float* x, std::int64_t stride,
                     std::int32_t first, std::int32_t heads) const;
  // f(stretch) for what of the stretches lies in rows [first, first + rows).
  template <class F>
  void for_stretches(std::int64_t first, std::int64_t rows, F f) const {
    const auto end_of = [](const Stretch& s) { return s.first_row + s.rows; };
    for (auto s = std::ranges::upper_bound(stretches_, first, {}, end_of); s != stretches_.end() && s->first_row < first + rows; ++s) {
      const std::int64_t begin = std::max(first, s->first_row), end = std::min(first + rows, end_of(*s));
      f(Stretch{s->cache, begin, std::int32_t(end - begin), std::int32_t(s->first_position + (begin - s->first_row))});
    }
  }
  // latent_block.cpp
  void latent_attention(std::int32_t index);

  // feed_forward.cpp
  void feed_forward(std::int32_t index);
  void gated(const GatedWeights& w, const ActivationSpec& act, std::int64_t width, const Rows& x, std::int64_t rows, const Rows& out);
  void experts(std::int32_t index, const Rows& x, const Rows& router_in, const Rows& out);
  void shared_expert(std::int32_t index, const Rows& x, const Rows& out);
  void choose_experts(std::int32_t index, Rows router_in);

  // cost_tally.cpp: FLOPs a row, and bytes that are read once however many rows there are. Each call, like lap(), also
  // ends a step of the profile: the time since the last one goes to the component.
  void tally(Component c, std::uint64_t a_per_row, std::uint64_t b_per_row, std::int64_t bytes_once = 0);
  void tally_matrix(Component c, const kernels::PackedMatrix& w, bool bias = false);
  void tally_norm(const NormSpec& spec, std::uint64_t elements_per_row);
  void tally_choices(std::int32_t index);
  void lap(Component c, std::uint64_t bytes = 0) {
    if (profile_ == nullptr) return;
    profile_->read(c, bytes);
    profile_->lap(c);
  }

  const Model& model_;
  const ModelSpec& spec_;
  const KvLayout& kv_layout_;
  Ops ops_;
  const bool fast_prefill_;
  RoutingStats* routing_;
  Profile* profile_;
  CostMeter* executed_ = nullptr;

  std::vector<Span> spans_;                  // of the rows that still run
  std::int64_t rows_ = 0;
  std::vector<std::int32_t> tokens_;         // [rows], of all rows of the pass
  std::vector<Stretch> stretches_;           // all rows
  std::vector<std::int32_t> kin_;            // spans in an order that puts those with the same first blocks together
  std::int64_t wanted_ = 0;                  // rows whose logits are asked for
  Buffer x_, norm_, in_, mixed_, branch_, branch2_, latent_, gate_up_, hidden_, logits_, per_layer_, per_layer_in_, late_x_;
  Buffer expert_in_, expert_out_, router_, choice_;
  // RoPE rows [rows, pairs] of each of the model's tables.
  struct Angles {
    Buffer cos, sin;
    std::map<std::int32_t, std::vector<float>> frequencies;  // by regime
  };
  std::vector<Angles> angles_;
  // Routing of the current layer: [rows, k] chosen experts and weights, and the rows sorted by expert.
  std::vector<std::int32_t> chosen_, sorted_slots_, sorted_rows_, expert_begin_;
  std::vector<float> chosen_weights_;
  // Attention of the current layer: runs of rows, and those that one task takes together.
  struct RunGroup {
    std::size_t first;
    std::int64_t count, pairs;
  };
  std::vector<kernels::AttentionRun> runs_;
  std::vector<RunGroup> run_groups_;
};

// Bytes of a matrix as it is stored, without the padding of its tiles.
inline std::int64_t stored_bytes(const kernels::PackedMatrix& w) {
  return kernels::stored_bytes(w.type(), w.rows(), w.cols());
}

}  // namespace moe
