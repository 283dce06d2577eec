#include "engine/model/closed_form.h"

#include <algorithm>

#include "engine/model/weights.h"

namespace moe {
namespace {

// 1 + 2 + ... for positions [past, past + tokens), each seeing at most `window` keys (0: all before it and itself).
std::int64_t visible(std::int64_t past, std::int64_t tokens, std::int64_t window) {
  const auto triangle = [window](std::int64_t n) {
    if (window == 0 || n <= window) return n * (n + 1) / 2;
    return window * (window + 1) / 2 + (n - window) * window;
  };
  return triangle(past + tokens) - triangle(past);
}

std::int64_t pair_dims(const AttentionSpec& a) {
  return a.kind == AttentionSpec::Kind::latent ? 2 * std::int64_t{a.kv_rank} + a.rope_dim
                                                : std::int64_t{a.key_dim} + a.value_dim;
}

std::int64_t of_norm(const NormSpec& n, std::int64_t size) { return (n.weighted ? 4 : 3) * size; }
std::int64_t of_norm(const std::optional<NormSpec>& n, std::int64_t size) { return n ? of_norm(*n, size) : 0; }

std::int64_t of_activation(const ActivationSpec& a) {
  switch (a.kind) {
    case ActivationSpec::Kind::silu: return 5;
    case ActivationSpec::Kind::gelu_tanh: return 10;
    case ActivationSpec::Kind::clamped_swiglu: return 7;
  }
  return 0;
}

std::int64_t of_routing(const RouterSpec& r) {
  const std::int64_t e = r.experts, k = r.top_k;
  const std::int64_t score = r.score == RouterSpec::Score::softmax ? 5 * e : r.score == RouterSpec::Score::sigmoid ? 3 * e : 5 * k;
  return score + (r.bias ? e : 0) + (r.choice_bias ? e : 0) +
         (r.group_score == RouterSpec::GroupScore::top2_sum ? r.groups : 0) + (r.renormalise ? 2 * k : 0) +
         (r.per_expert_scale ? k : 0) + (r.counts_scale ? k : 0);
}

// Adds to class B per-token counts of one layer, attention scores apart.
class LayerTotals {
 public:
  LayerTotals(const ModelSpec& spec, Costs& costs, std::int64_t rows) : spec_(spec), costs_(costs), rows_(rows) {}

  void a(Component c, std::int64_t per_row) { costs_.a(c, std::uint64_t(per_row * rows_)); }
  void b(Component c, std::int64_t per_row) { costs_.b(c, std::uint64_t(per_row * rows_)); }

  void attention(const LayerSpec& layer) {
    const AttentionSpec& at = layer.attention;
    const std::int64_t h = spec_.hidden, q = std::int64_t{at.heads} * at.key_dim;
    b(Component::norm, of_norm(layer.input_norm, h) + of_norm(layer.post_attention_norm, h));
    b(Component::elementwise, h);
    b(Component::attn_proj, at.o_bias ? h : 0);
    std::int64_t rotated = at.heads;
    if (at.kind == AttentionSpec::Kind::latent) {
      b(Component::norm, of_norm(at.latent_norm, at.kv_rank) + (at.q_rank > 0 ? of_norm(at.latent_norm, at.q_rank) : 0));
      b(Component::attn_proj, (at.q_a_bias ? at.q_rank : 0) + (at.kv_a_bias ? at.kv_rank + at.rope_dim : 0));
      rotated += 1;
    } else {
      const std::int64_t own = at.owns_cache() ? at.kv_heads : 0, k = own * at.key_dim, v = own * at.value_dim;
      if (at.qk_norm != AttentionSpec::NormScope::none) b(Component::norm, of_norm(at.q_norm, q) + of_norm(at.k_norm, k));
      b(Component::norm, of_norm(at.v_norm, v));
      b(Component::attn_proj, (at.q_bias ? q : 0) + (at.k_bias ? k : 0) + (at.v_bias && !at.value_is_key ? v : 0));
      rotated += own;
    }
    if (at.rope >= 0) b(Component::elementwise, 6 * spec_.ropes[at.rope].pairs() * rotated);
  }

  void scores(const AttentionSpec& at, std::int64_t pairs) {
    costs_.a(Component::attn_core, std::uint64_t(2 * at.heads * pair_dims(at) * pairs));
    const std::int64_t per_key = (at.scale == 1 ? 5 : 6) + (at.alibi ? 1 : 0);
    costs_.b(Component::attn_core, std::uint64_t(at.heads * per_key * (pairs + (at.sinks ? rows_ : 0))));
  }

  void feed_forward(const LayerSpec& layer) {
    const std::int64_t h = spec_.hidden;
    b(Component::norm, of_norm(layer.ff_norm, h) + of_norm(layer.post_ff_norm, h) + of_norm(layer.dense_out_norm, h) +
                           of_norm(layer.experts_in_norm, h) + of_norm(layer.experts_out_norm, h));
    b(Component::elementwise, h + (layer.dense && layer.experts ? h : 0) + (layer.scalar ? h : 0));
    if (const auto& m = layer.dense) {
      b(Component::dense_mlp, of_activation(m->activation) * m->width + (m->bias ? 2 * std::int64_t{m->width} + h : 0));
    }
    if (const auto& e = layer.experts) {
      const RouterSpec& r = e->router;
      b(Component::router, of_routing(r) + (r.own_input ? 2 * h : 0));
      if (r.own_input) b(Component::norm, of_norm(r.input_norm, h));
      b(Component::experts, r.top_k * (of_activation(e->activation) * e->width + 2 * h + (e->bias ? 2 * std::int64_t{e->width} + h : 0)));
    }
    if (const auto& s = layer.shared) {
      b(Component::shared_expert, of_activation(s->activation) * s->width + (s->gated ? 3 + 2 * h : h));
    }
    if (const auto& p = layer.layer_input) {
      b(Component::per_layer_embedding, of_activation(p->activation) * p->width);
      b(Component::norm, of_norm(p->norm, h));
      b(Component::elementwise, h);
    }
  }

  // Every matrix multiplies every row once; experts only the chosen share.
  void matrices(std::int32_t index) {
    for (const WeightUse& use : layer_weights(spec_, index)) {
      if (use.is_vector()) continue;
      if (use.expert >= 0 && use.expert >= spec_.layers[index].experts->router.top_k) continue;
      a(component(use.slot), 2 * use.parameters());
    }
  }

 private:
  static Component component(Slot slot) {
    switch (slot) {
      case Slot::gate:
      case Slot::up:
      case Slot::down: return Component::dense_mlp;
      case Slot::router: return Component::router;
      case Slot::expert_gate:
      case Slot::expert_up:
      case Slot::expert_down: return Component::experts;
      case Slot::shared_gate:
      case Slot::shared_up:
      case Slot::shared_down:
      case Slot::shared_expert_gate: return Component::shared_expert;
      case Slot::layer_input_gate:
      case Slot::layer_input_out: return Component::per_layer_embedding;
      default: return Component::attn_proj;
    }
  }

  const ModelSpec& spec_;
  Costs& costs_;
  std::int64_t rows_;
};

}  // namespace

Costs closed_form(const ModelSpec& spec, std::int64_t past, std::int64_t tokens, std::int64_t logit_rows) {
  Costs costs;
  costs.tokens = std::uint64_t(tokens);
  const std::int32_t cut = spec.first_layer_without_cache();
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const std::int64_t rows = i < cut ? tokens : logit_rows;
    LayerTotals totals(spec, costs, rows);
    totals.matrices(i);
    totals.attention(layer);
    totals.scores(layer.attention, visible(past + tokens - rows, rows, layer.attention.window));
    totals.feed_forward(layer);
  }
  LayerTotals entry(spec, costs, tokens), exit(spec, costs, logit_rows);
  if (spec.embedding_scale != 1) entry.b(Component::embedding, spec.hidden);
  if (const auto& p = spec.per_layer_embedding) {
    for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
      LayerTotals& totals = i < cut ? entry : exit;
      totals.a(Component::per_layer_embedding, 2 * std::int64_t{p->width} * spec.hidden);
      totals.b(Component::per_layer_embedding, 3 * std::int64_t{p->width} + of_norm(p->norm, p->width));
    }
  }
  exit.b(Component::norm, of_norm(spec.final_norm, spec.hidden));
  exit.a(Component::lm_head, 2 * std::int64_t{spec.vocab} * spec.hidden);
  if (spec.logit_softcap > 0) exit.b(Component::lm_head, 3 * std::int64_t{spec.vocab});
  return costs;
}

AttentionSlopes attention_slopes(const ModelSpec& spec) {
  AttentionSlopes slopes;
  bool any = false;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    const std::int64_t slope = 2 * a.heads * pair_dims(a);
    const bool slides = a.window > 0 && a.window < spec.max_positions;
    (slides ? slopes.sliding : slopes.full) += slope;
    if (!slides) continue;
    slopes.window = !any || slopes.window == a.window ? a.window : 0;
    any = true;
  }
  return slopes;
}

std::int64_t matmul_parameters(const ModelSpec& spec) {
  const ParameterCount p = count_parameters(spec);
  return p.attention + p.dense_mlp + p.router + p.shared_expert + p.per_layer_matrices + p.experts_active;
}

}  // namespace moe
