#include "engine/model/weights.h"

#include <algorithm>
#include <array>

namespace moe {
namespace {

// Collects weights; sizes are widened here so that products cannot overflow 32 bits.
class Lister {
 public:
  explicit Lister(std::int32_t layer) : layer_(layer) {}

  void matrix(Slot slot, std::int64_t rows, std::int64_t cols, std::int32_t expert = -1) {
    list_.push_back({slot, layer_, expert, rows, cols});
  }
  void vector(Slot slot, std::int64_t n, std::int32_t expert = -1) { list_.push_back({slot, layer_, expert, n, 0}); }
  void vector_if(bool wanted, Slot slot, std::int64_t n) {
    if (wanted) vector(slot, n);
  }
  void norm(Slot slot, const NormSpec& norm, std::int64_t n) { vector_if(norm.weighted, slot, n); }
  void norm(Slot slot, const std::optional<NormSpec>& norm, std::int64_t n) {
    if (norm) vector_if(norm->weighted, slot, n);
  }
  std::vector<WeightUse> take() { return std::move(list_); }

 private:
  std::int32_t layer_;
  std::vector<WeightUse> list_;
};

void list_latent(Lister& list, const AttentionSpec& a, std::int64_t hidden) {
  const std::int64_t q_out = std::int64_t{a.heads} * a.key_dim;
  if (a.q_rank > 0) {
    list.matrix(Slot::q_a, a.q_rank, hidden);
    list.vector_if(a.q_a_bias, Slot::q_a_bias, a.q_rank);
    list.norm(Slot::q_a_norm, a.latent_norm, a.q_rank);
    list.matrix(Slot::q_b, q_out, a.q_rank);
  } else {
    list.matrix(Slot::q, q_out, hidden);
  }
  list.matrix(Slot::kv_a, a.kv_rank + a.rope_dim, hidden);
  list.vector_if(a.kv_a_bias, Slot::kv_a_bias, a.kv_rank + a.rope_dim);
  list.norm(Slot::kv_a_norm, a.latent_norm, a.kv_rank);
  list.matrix(Slot::kv_b, std::int64_t{a.heads} * (a.nope_dim + a.value_dim), a.kv_rank);
}

void list_grouped(Lister& list, const AttentionSpec& a, std::int64_t hidden) {
  const std::int64_t q_out = std::int64_t{a.heads} * a.key_dim;
  const std::int64_t k_out = std::int64_t{a.kv_heads} * a.key_dim;
  const std::int64_t v_out = std::int64_t{a.kv_heads} * a.value_dim;
  const bool per_head = a.qk_norm == AttentionSpec::NormScope::head;
  const bool normed = a.qk_norm != AttentionSpec::NormScope::none;
  list.matrix(Slot::q, q_out, hidden);
  list.vector_if(a.q_bias, Slot::q_bias, q_out);
  if (normed) list.norm(Slot::q_norm, a.q_norm, per_head ? a.key_dim : q_out);
  if (!a.owns_cache()) return;
  list.matrix(Slot::k, k_out, hidden);
  list.vector_if(a.k_bias, Slot::k_bias, k_out);
  if (normed) list.norm(Slot::k_norm, a.k_norm, per_head ? a.key_dim : k_out);
  if (a.value_is_key) return;
  list.matrix(Slot::v, v_out, hidden);
  list.vector_if(a.v_bias, Slot::v_bias, v_out);
}

void list_experts(Lister& list, const ExpertsSpec& e, std::int64_t hidden) {
  const RouterSpec& r = e.router;
  list.matrix(Slot::router, r.experts, hidden);
  list.vector_if(r.bias, Slot::router_bias, r.experts);
  list.vector_if(r.choice_bias, Slot::router_choice_bias, r.experts);
  list.vector_if(r.own_input, Slot::router_scale, hidden);
  list.vector_if(r.per_expert_scale, Slot::router_expert_scale, r.experts);
  for (std::int32_t x = 0; x < r.experts; ++x) {
    list.matrix(Slot::expert_gate, e.width, hidden, x);
    list.matrix(Slot::expert_up, e.width, hidden, x);
    list.matrix(Slot::expert_down, hidden, e.width, x);
    if (!e.bias) continue;
    list.vector(Slot::expert_gate_bias, e.width, x);
    list.vector(Slot::expert_up_bias, e.width, x);
    list.vector(Slot::expert_down_bias, hidden, x);
  }
}

}  // namespace

std::string_view name(Slot slot) noexcept {
  static constexpr std::array kNames{
      "embedding", "head", "final_norm", "per_layer_table", "per_layer_projection", "per_layer_projection_norm",
      "input_norm", "q", "k", "v", "o", "q_bias", "k_bias", "v_bias", "o_bias", "q_norm", "k_norm", "sinks",
      "post_attention_norm", "q_a", "q_a_bias", "q_a_norm", "q_b", "kv_a", "kv_a_bias", "kv_a_norm", "kv_b",
      "ff_norm", "gate", "up", "down", "gate_bias", "up_bias", "down_bias", "post_ff_norm", "router", "router_bias",
      "router_choice_bias", "router_scale", "router_expert_scale", "expert_gate", "expert_up", "expert_down",
      "expert_gate_bias", "expert_up_bias", "expert_down_bias", "shared_gate", "shared_up", "shared_down",
      "shared_expert_gate", "dense_out_norm", "experts_in_norm", "experts_out_norm", "layer_input_gate",
      "layer_input_out", "layer_input_norm", "layer_scalar"};
  static_assert(kNames.size() == static_cast<std::size_t>(Slot::layer_scalar) + 1);
  return kNames[static_cast<std::size_t>(slot)];
}

bool kept_when_quantised(Slot slot) noexcept { return slot == Slot::router || slot == Slot::shared_expert_gate; }
bool makes_head(Slot slot) noexcept { return slot == Slot::head || slot == Slot::embedding; }
bool is_expert_matrix(Slot slot) noexcept { return slot == Slot::expert_gate || slot == Slot::expert_up || slot == Slot::expert_down; }

std::vector<WeightUse> model_weights(const ModelSpec& spec) {
  Lister list(-1);
  list.matrix(Slot::embedding, spec.vocab, spec.hidden);
  if (const auto& p = spec.per_layer_embedding) {
    const std::int64_t width = std::int64_t{spec.layer_count()} * p->width;
    list.matrix(Slot::per_layer_table, p->vocab, width);
    list.matrix(Slot::per_layer_projection, width, spec.hidden);
    list.norm(Slot::per_layer_projection_norm, p->norm, p->width);
  }
  list.norm(Slot::final_norm, spec.final_norm, spec.hidden);
  if (!spec.tied_head) list.matrix(Slot::head, spec.vocab, spec.hidden);
  return list.take();
}

std::vector<WeightUse> layer_weights(const ModelSpec& spec, std::int32_t index) {
  const LayerSpec& layer = spec.layers[index];
  const AttentionSpec& a = layer.attention;
  const std::int64_t hidden = spec.hidden;
  Lister list(index);
  list.norm(Slot::input_norm, layer.input_norm, hidden);
  a.kind == AttentionSpec::Kind::latent ? list_latent(list, a, hidden) : list_grouped(list, a, hidden);
  list.matrix(Slot::o, hidden, std::int64_t{a.heads} * a.value_dim);
  list.vector_if(a.o_bias, Slot::o_bias, hidden);
  list.vector_if(a.sinks, Slot::sinks, a.heads);
  list.norm(Slot::post_attention_norm, layer.post_attention_norm, hidden);
  list.norm(Slot::ff_norm, layer.ff_norm, hidden);
  if (const auto& m = layer.dense) {
    list.matrix(Slot::gate, m->width, hidden);
    list.matrix(Slot::up, m->width, hidden);
    list.matrix(Slot::down, hidden, m->width);
    list.vector_if(m->bias, Slot::gate_bias, m->width);
    list.vector_if(m->bias, Slot::up_bias, m->width);
    list.vector_if(m->bias, Slot::down_bias, hidden);
  }
  if (layer.experts) list_experts(list, *layer.experts, hidden);
  if (const auto& s = layer.shared) {
    list.matrix(Slot::shared_gate, s->width, hidden);
    list.matrix(Slot::shared_up, s->width, hidden);
    list.matrix(Slot::shared_down, hidden, s->width);
    if (s->gated) list.matrix(Slot::shared_expert_gate, 1, hidden);
  }
  list.norm(Slot::dense_out_norm, layer.dense_out_norm, hidden);
  list.norm(Slot::experts_in_norm, layer.experts_in_norm, hidden);
  list.norm(Slot::experts_out_norm, layer.experts_out_norm, hidden);
  list.norm(Slot::post_ff_norm, layer.post_ff_norm, hidden);
  if (const auto& p = layer.layer_input) {
    list.matrix(Slot::layer_input_gate, p->width, hidden);
    list.matrix(Slot::layer_input_out, hidden, p->width);
    list.norm(Slot::layer_input_norm, p->norm, hidden);
  }
  list.vector_if(layer.scalar, Slot::layer_scalar, 1);
  return list.take();
}

std::int64_t ParameterCount::total() const {
  return embedding + per_layer_table + head + attention + dense_mlp + router + shared_expert + per_layer_matrices +
         experts + vectors;
}

ParameterCount count_parameters(const ModelSpec& spec) {
  ParameterCount count;
  const auto add = [&](const WeightUse& w) {
    const std::int64_t n = w.parameters();
    if (w.is_vector()) {
      count.vectors += n;
      const bool of_router = w.slot >= Slot::router_bias && w.slot <= Slot::router_expert_scale;
      if (of_router) count.router_vectors += n;
      if (w.expert < 0 || w.expert < spec.layers[w.layer].experts->router.top_k) count.vectors_active += n;
      return;
    }
    switch (w.slot) {
      case Slot::embedding: count.embedding += n; break;
      case Slot::head: count.head += n; break;
      case Slot::per_layer_table: count.per_layer_table += n; break;
      case Slot::per_layer_projection:
      case Slot::layer_input_gate:
      case Slot::layer_input_out: count.per_layer_matrices += n; break;
      case Slot::gate:
      case Slot::up:
      case Slot::down: count.dense_mlp += n; break;
      case Slot::router: count.router += n; break;
      case Slot::expert_gate:
      case Slot::expert_up:
      case Slot::expert_down:
        count.experts += n;
        if (w.expert < spec.layers[w.layer].experts->router.top_k) count.experts_active += n;
        break;
      case Slot::shared_gate:
      case Slot::shared_up:
      case Slot::shared_down:
      case Slot::shared_expert_gate: count.shared_expert += n; break;
      default: count.attention += n; break;
    }
  };
  std::ranges::for_each(model_weights(spec), add);
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) std::ranges::for_each(layer_weights(spec, i), add);
  return count;
}

}  // namespace moe
