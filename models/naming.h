// Where checkpoints keep their weights: name patterns, and the views of fused or packed tensors.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/model/weights.h"

namespace moe::models {

// Slot -> pattern; "{i}" stands for the layer, "{e}" for the expert.
using NamePatterns = std::map<Slot, std::string>;

// The names that Llama and its descendants share, below the prefix "model."; the head is "lm_head.weight".
// `layer` stands before every layer's name: "model.layers.{i}.".
NamePatterns llama_names(std::string_view prefix = "model.");

// The first of the prefixes under which the checkpoint has the embedding or the final norm.
std::string found_prefix(const Checkpoint& checkpoint, std::initializer_list<std::string_view> candidates, std::string_view otherwise = "model.");

// The name of a use; an unknown slot is a programmer's error (std::logic_error).
std::string name_of(const NamePatterns& patterns, const WeightUse& use);

// A whole tensor: [rows, cols] row-major, or [rows].
TensorSlice whole_tensor(std::string name, const WeightUse& use);
// Rows [first, first + use.rows) of a stored [total, cols] matrix (or [total] vector).
TensorSlice rows_of(std::string name, const WeightUse& use, std::int64_t first, std::int64_t total);

// One expert of tensors that hold all of them: "gate_up" [E, 2F, H] with rows gate | up and "down" [E, H, F], or
// both with their last two dimensions exchanged. Which one is seen from the stored shape; `transposed_if_square`
// settles a shape that fits both.
struct PackedExperts {
  std::string gate_up, down;  // patterns
  std::int32_t experts = 0, hidden = 0, width = 0;
  bool transposed_if_square = false;
};
// Precondition: use is an expert's gate, up or down matrix.
TensorSlice packed_expert(const PackedExperts& packed, const WeightUse& use, const Checkpoint& checkpoint);

// Replaces {i} and {e}.
std::string expand(std::string pattern, std::int32_t layer, std::int32_t expert = -1);

// All weights by name; experts from packed tensors where the checkpoint has them (`packed` patterns, tried in order),
// else one tensor each by the patterns.
WeightLocator locate_by_name(const ModelSpec& spec, const Checkpoint& checkpoint, NamePatterns patterns,
                             std::vector<std::pair<std::string, std::string>> packed = {});

}  // namespace moe::models
