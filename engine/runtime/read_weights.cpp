// The order in which a model's weights are read, and how they are put together.
#include <cmath>
#include <map>
#include <utility>

#include "engine/runtime/model.h"

namespace moe {
namespace {

// ALiBi slopes (Press et al. 2022): 2^(-8i/n) for a power of two, and for other head counts the next lower power's
// slopes followed by every other one of the next higher power's.
std::vector<float> alibi_slopes(std::int32_t heads) {
  const auto of_power = [](std::int32_t n) {
    std::vector<float> slopes(n);
    for (std::int32_t i = 0; i < n; ++i) slopes[i] = static_cast<float>(std::pow(2.0, -8.0 * (i + 1) / n));
    return slopes;
  };
  std::int32_t power = 1;
  while (2 * power <= heads) power *= 2;
  std::vector<float> slopes = of_power(power);
  const std::vector<float> finer = of_power(2 * power);
  for (std::int32_t i = 0; power + i < heads; ++i) slopes.push_back(finer[2 * i]);
  return slopes;
}

// The weights of one layer by slot and expert.
class LayerReader {
 public:
  LayerReader(WeightSource& source, const ModelSpec& spec, std::int32_t layer) : source_(source) {
    for (const WeightUse& use : layer_weights(spec, layer)) uses_[{use.slot, use.expert}] = use;
  }

  const WeightUse* find(Slot slot, std::int32_t expert = -1) const {
    const auto it = uses_.find({slot, expert});
    return it == uses_.end() ? nullptr : &it->second;
  }
  Vector vector(Slot slot, std::int32_t expert = -1) const {
    const WeightUse* use = find(slot, expert);
    return use == nullptr ? Vector{} : source_.vector(*use);
  }
  // The matrices of these slots one below the other, as far as the layer has them.
  kernels::PackedMatrix matrix(std::initializer_list<Slot> slots, std::int32_t expert = -1,
                               kernels::RowOrder order = kernels::RowOrder::stacked) const {
    std::vector<WeightPart> parts;
    for (const Slot slot : slots) {
      if (const WeightUse* use = find(slot, expert)) parts.push_back(whole(*use));
    }
    return parts.empty() ? kernels::PackedMatrix() : source_.matrix(parts, order);
  }
  // The biases of those matrices one below the other, zeros for a part without one; empty if none has one.
  Vector bias(std::initializer_list<std::pair<Slot, Slot>> slots, std::int32_t expert = -1) const {
    Vector out;
    bool any = false;
    for (const auto& [matrix, bias] : slots) {
      const WeightUse* use = find(matrix, expert);
      if (use == nullptr) continue;
      Vector part = vector(bias, expert);
      any = any || !part.empty();
      part.resize(use->rows);
      out.insert(out.end(), part.begin(), part.end());
    }
    return any ? out : Vector{};
  }
  GatedWeights gated(Slot gate, Slot up, Slot down, std::int32_t expert = -1) const {
    return {matrix({gate, up}, expert, kernels::RowOrder::gate_up), matrix({down}, expert), {}, {}};
  }
  void add_biases(GatedWeights& w, std::pair<Slot, Slot> gate, std::pair<Slot, Slot> up, Slot down,
                  std::int32_t expert = -1) const {
    w.gate_up_bias = bias({gate, up}, expert);
    w.down_bias = vector(down, expert);
  }
  // Rows of one head's half of kv_b.
  kernels::PackedMatrix kv_b_rows(std::int64_t first, std::int64_t rows, bool transposed) const {
    const WeightPart part{*find(Slot::kv_b), first, rows, transposed};
    return source_.matrix({&part, 1});
  }

 private:
  WeightSource& source_;
  std::map<std::pair<Slot, std::int32_t>, WeightUse> uses_;
};

AttentionWeights read_attention(const LayerReader& read, const AttentionSpec& a) {
  AttentionWeights w;
  if (a.kind == AttentionSpec::Kind::latent) {
    // Whatever reads the hidden state comes first: q or q_a, then the compressed keys and values.
    w.in = read.matrix({Slot::q, Slot::q_a, Slot::kv_a});
    w.in_bias = read.bias({{Slot::q, Slot::q_bias}, {Slot::q_a, Slot::q_a_bias}, {Slot::kv_a, Slot::kv_a_bias}});
    w.q_a_norm = read.vector(Slot::q_a_norm);
    w.kv_a_norm = read.vector(Slot::kv_a_norm);
    w.q_b = read.matrix({Slot::q_b});
    const std::int64_t head_rows = a.nope_dim + a.value_dim;
    for (std::int64_t h = 0; h < a.heads; ++h) {
      w.key_up.push_back(read.kv_b_rows(h * head_rows, a.nope_dim, true));
      w.value_up.push_back(read.kv_b_rows(h * head_rows + a.nope_dim, a.value_dim, false));
    }
  } else {
    w.in = read.matrix({Slot::q, Slot::k, Slot::v});
    w.in_bias = read.bias({{Slot::q, Slot::q_bias}, {Slot::k, Slot::k_bias}, {Slot::v, Slot::v_bias}});
    w.q_norm = read.vector(Slot::q_norm);
    w.k_norm = read.vector(Slot::k_norm);
  }
  w.sinks = read.vector(Slot::sinks);
  if (a.alibi) w.alibi_slopes = alibi_slopes(a.heads);
  w.out = read.matrix({Slot::o});
  w.out_bias = read.vector(Slot::o_bias);
  return w;
}

LayerWeights read_layer(WeightSource& source, const ModelSpec& spec, std::int32_t index) {
  const LayerReader read(source, spec, index);
  const LayerSpec& layer = spec.layers[index];
  LayerWeights w;
  w.input_norm = read.vector(Slot::input_norm);
  w.attention = read_attention(read, layer.attention);
  w.post_attention_norm = read.vector(Slot::post_attention_norm);
  w.ff_norm = read.vector(Slot::ff_norm);
  w.dense = read.gated(Slot::gate, Slot::up, Slot::down);
  read.add_biases(w.dense, {Slot::gate, Slot::gate_bias}, {Slot::up, Slot::up_bias}, Slot::down_bias);
  w.router = read.matrix({Slot::router});
  w.router_bias = read.vector(Slot::router_bias);
  w.router_choice_bias = read.vector(Slot::router_choice_bias);
  w.router_scale = read.vector(Slot::router_scale);
  w.router_expert_scale = read.vector(Slot::router_expert_scale);
  for (std::int32_t e = 0; layer.experts && e < layer.experts->router.experts; ++e) {
    w.experts.push_back(read.gated(Slot::expert_gate, Slot::expert_up, Slot::expert_down, e));
    read.add_biases(w.experts.back(), {Slot::expert_gate, Slot::expert_gate_bias},
                    {Slot::expert_up, Slot::expert_up_bias}, Slot::expert_down_bias, e);
  }
  w.shared = read.gated(Slot::shared_gate, Slot::shared_up, Slot::shared_down);
  w.shared_expert_gate = read.matrix({Slot::shared_expert_gate});
  w.dense_out_norm = read.vector(Slot::dense_out_norm);
  w.experts_in_norm = read.vector(Slot::experts_in_norm);
  w.experts_out_norm = read.vector(Slot::experts_out_norm);
  w.post_ff_norm = read.vector(Slot::post_ff_norm);
  w.layer_input_gate = read.matrix({Slot::layer_input_gate});
  w.layer_input_out = read.matrix({Slot::layer_input_out});
  w.layer_input_norm = read.vector(Slot::layer_input_norm);
  if (const WeightUse* scalar = read.find(Slot::layer_scalar)) w.scalar = source.vector(*scalar)[0];
  for (const WeightUse& use : layer_weights(spec, index)) {
    if (use.is_vector() && use.expert < 0) w.vector_bytes += use.rows * static_cast<std::int64_t>(sizeof(float));
  }
  return w;
}


}  // namespace

ModelWeights read_weights(const ModelSpec& spec, WeightSource& source) {
  ModelWeights w;
  const auto matrix = [&](const WeightPart& part) { return source.matrix({&part, 1}); };
  for (const WeightUse& use : model_weights(spec)) {
    switch (use.slot) {
      case Slot::embedding:
        if (spec.tied_head) w.head = matrix(whole(use));
        break;
      case Slot::per_layer_projection: {
        const std::int64_t rows = std::int64_t{spec.first_layer_without_cache()} * spec.per_layer_embedding->width;
        w.per_layer_projection = matrix({use, 0, rows, false});
        if (rows < use.rows) w.per_layer_projection_late = matrix({use, rows, use.rows - rows, false});
        break;
      }
      case Slot::per_layer_projection_norm: w.per_layer_projection_norm = source.vector(use); break;
      case Slot::final_norm: w.final_norm = source.vector(use); break;
      case Slot::head: w.head = matrix(whole(use)); break;
      default: break;
    }
  }
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) w.layers.push_back(read_layer(source, spec, i));
  return w;
}

}  // namespace moe
