// What several families read from config.json in the same way.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/model/spec.h"

namespace moe::models {

// Refuses a key whose value is present and not one of those listed (Error unsupported, naming the key).
void require_one_of(const Config& config, std::string_view key, std::initializer_list<std::string_view> values);
// Refuses a boolean key that is present and not `value`.
void require_flag(const Config& config, std::string_view key, bool value);

// Defaults of a family's class in transformers, for keys that a file may leave out.
struct BaseDefaults {
  std::int64_t hidden = 4096, layers = 32, heads = 32, vocab = 32000, max_positions = 2048;
  double eps = 1e-6;
  bool tied = false;
};
// Vocabulary, hidden size, layer count (layers are made, empty), positions, norm, tied head, stop ids.
ModelSpec read_base(const Config& config, const BaseDefaults& defaults);

struct RopeDefaults {
  double theta = 10000;
  // Whether the family turns a part of its heads only (partial_rotary_factor). The others' plain rotation passes over the
  // key, and their scaled ones would not fit the head.
  bool partial = false;
  // Where the length seen in pre-training is taken from a top-level key alone, with this default (Phi-3); 0: no.
  std::int32_t only_top_level_original = 0;
  // "su" and "yarn" are names of longrope too, and RopeSpec::recomputes holds for it (Phi-3).
  bool phi_longrope = false;
};
// One table for heads of `head_dim`: rope_scaling or rope_parameters (v4 and v5 keys), as transformers 5 reads them.
RopeSpec read_rope(const Config& config, std::int32_t max_positions, std::int32_t head_dim, const RopeDefaults& defaults);
// The same from one dictionary of rope parameters whose missing keys are looked up in `config`.
RopeSpec read_rope_from(const Config& parameters, const Config& config, std::int32_t max_positions, std::int32_t head_dim,
                        const RopeDefaults& defaults);

// Grouped attention with heads, key/value heads, head size, scale d^-1/2 and rope table 0. `kv_default` 0: as many
// as heads. `head_dim` is honoured where the file has it.
AttentionSpec read_attention(const Config& config, const BaseDefaults& defaults, std::int64_t kv_default);

// "layer_types" as one flag a layer: true where the layer slides. Empty if the file has none.
std::vector<bool> sliding_layers(const Config& config, std::int32_t layers);

// Experts and experts per token under any of their spellings.
std::int32_t read_expert_count(const Config& config, std::int64_t otherwise);

}  // namespace moe::models
