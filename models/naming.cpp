#include "models/naming.h"

#include <stdexcept>

namespace moe::models {
namespace {

void replace(std::string& text, std::string_view what, std::int32_t with) {
  if (const auto at = text.find(what); at != std::string::npos) text.replace(at, what.size(), std::to_string(with));
}

}  // namespace

std::string expand(std::string pattern, std::int32_t layer, std::int32_t expert) {
  replace(pattern, "{i}", layer);
  replace(pattern, "{e}", expert);
  return pattern;
}

NamePatterns llama_names(std::string_view prefix) {
  const std::string p(prefix), l = p + "layers.{i}.";
  return {
      {Slot::embedding, p + "embed_tokens.weight"},
      {Slot::final_norm, p + "norm.weight"},
      {Slot::head, "lm_head.weight"},
      {Slot::input_norm, l + "input_layernorm.weight"},
      {Slot::q, l + "self_attn.q_proj.weight"},
      {Slot::k, l + "self_attn.k_proj.weight"},
      {Slot::v, l + "self_attn.v_proj.weight"},
      {Slot::o, l + "self_attn.o_proj.weight"},
      {Slot::q_bias, l + "self_attn.q_proj.bias"},
      {Slot::k_bias, l + "self_attn.k_proj.bias"},
      {Slot::v_bias, l + "self_attn.v_proj.bias"},
      {Slot::o_bias, l + "self_attn.o_proj.bias"},
      {Slot::q_norm, l + "self_attn.q_norm.weight"},
      {Slot::k_norm, l + "self_attn.k_norm.weight"},
      {Slot::sinks, l + "self_attn.sinks"},
      {Slot::ff_norm, l + "post_attention_layernorm.weight"},
      {Slot::gate, l + "mlp.gate_proj.weight"},
      {Slot::up, l + "mlp.up_proj.weight"},
      {Slot::down, l + "mlp.down_proj.weight"},
      {Slot::gate_bias, l + "mlp.gate_proj.bias"},
      {Slot::up_bias, l + "mlp.up_proj.bias"},
      {Slot::down_bias, l + "mlp.down_proj.bias"},
      {Slot::router, l + "mlp.gate.weight"},
      {Slot::expert_gate, l + "mlp.experts.{e}.gate_proj.weight"},
      {Slot::expert_up, l + "mlp.experts.{e}.up_proj.weight"},
      {Slot::expert_down, l + "mlp.experts.{e}.down_proj.weight"},
  };
}

std::string found_prefix(const Checkpoint& checkpoint, std::initializer_list<std::string_view> candidates, std::string_view otherwise) {
  for (const std::string_view prefix : candidates) {
    for (const char* name : {"embed_tokens.weight", "norm.weight"}) {
      if (checkpoint.find(std::string(prefix) + name) != nullptr) return std::string(prefix);
    }
  }
  return std::string(otherwise);
}

std::string name_of(const NamePatterns& patterns, const WeightUse& use) {
  const auto it = patterns.find(use.slot);
  if (it == patterns.end()) throw std::logic_error("no tensor name for the slot " + std::string(name(use.slot)));
  return expand(it->second, use.layer, use.expert);
}

TensorSlice whole_tensor(std::string name, const WeightUse& use) { return rows_of(std::move(name), use, 0, use.rows); }

TensorSlice rows_of(std::string name, const WeightUse& use, std::int64_t first, std::int64_t total) {
  TensorSlice slice;
  slice.tensor = std::move(name);
  if (use.is_vector()) {
    slice.shape = {total};
    slice.offset = first;
    slice.row_stride = 1;
  } else {
    slice.shape = {total, use.cols};
    slice.offset = first * use.cols;
    slice.row_stride = use.cols;
  }
  return slice;
}

TensorSlice packed_expert(const PackedExperts& packed, const WeightUse& use, const Checkpoint& checkpoint) {
  const std::int64_t experts = packed.experts, hidden = packed.hidden, width = packed.width;
  const bool down = use.slot == Slot::expert_down;
  const std::int64_t rows = down ? hidden : 2 * width, cols = down ? width : hidden;
  TensorSlice slice;
  slice.tensor = expand(down ? packed.down : packed.gate_up, use.layer);
  slice.shape = {experts, rows, cols};
  const std::vector<std::int64_t> exchanged{experts, cols, rows};
  const Tensor* stored = checkpoint.find(slice.tensor);
  const bool transposed = rows == cols ? packed.transposed_if_square : stored != nullptr && stored->shape == exchanged;
  if (transposed) slice.shape = exchanged;
  slice.row_stride = transposed ? 1 : cols;
  slice.col_stride = transposed ? rows : 1;
  slice.offset = use.expert * rows * cols + (use.slot == Slot::expert_up ? width * slice.row_stride : 0);
  return slice;
}

WeightLocator locate_by_name(const ModelSpec& spec, const Checkpoint& checkpoint, NamePatterns patterns,
                             std::vector<std::pair<std::string, std::string>> packed) {
  return [&spec, &checkpoint, patterns = std::move(patterns), packed = std::move(packed)](const WeightUse& use) {
    if (use.slot == Slot::expert_gate || use.slot == Slot::expert_up || use.slot == Slot::expert_down) {
      for (const auto& [gate_up, down] : packed) {
        // One of the two is enough to tell the layout: the other is then missed by its own name.
        if (checkpoint.find(expand(gate_up, use.layer)) == nullptr && checkpoint.find(expand(down, use.layer)) == nullptr) continue;
        const ExpertsSpec& e = *spec.layers[use.layer].experts;
        return packed_expert({gate_up, down, e.router.experts, spec.hidden, e.width}, use, checkpoint);
      }
    }
    return whole_tensor(name_of(patterns, use), use);
  };
}

}  // namespace moe::models
