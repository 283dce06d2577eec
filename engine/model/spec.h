// ModelSpec: what a transformer is, as plain data. A family file fills it in from config.json; the engine's one
// forward pass, its closed forms and its loader read it. What it cannot say is refused by name at load.
// Notation: H hidden, V vocabulary, n_q / n_kv heads, d head size, F MLP width, E experts, k experts a token.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/rope.h"

namespace moe {

// RMSNorm over the last axis, in fp32: u = x / sqrt(mean(x^2) + eps), times w, times (1 + w), or as it is.
struct NormSpec {
  float eps = 1e-6F;
  bool weighted = true;
  bool add_one = false;
};

struct ActivationSpec {
  enum class Kind : std::uint8_t { silu, gelu_tanh, clamped_swiglu };
  Kind kind = Kind::silu;
  float alpha = 0;  // clamped_swiglu: (clip(u, +-limit) + 1) * g * sigmoid(alpha * g), g = min(gate, limit)
  float limit = 0;
};

struct AttentionSpec {
  enum class Kind : std::uint8_t { grouped, latent };
  enum class NormScope : std::uint8_t { none, head, projection };  // q/k norm over each head, or all heads at once

  Kind kind = Kind::grouped;
  std::int32_t heads = 0;      // n_q
  std::int32_t kv_heads = 0;   // n_kv; query head h reads kv head h / (n_q / n_kv)
  std::int32_t key_dim = 0;    // d of queries and keys (latent: nope_dim + rope_dim)
  std::int32_t value_dim = 0;  // d of values
  float scale = 0;             // multiplies q . k
  std::int32_t rope = -1;      // index into ModelSpec::ropes; -1: no rotation
  std::int32_t window = 0;     // visible keys t > q - window; 0: all
  bool alibi = false;          // adds slope_h * (t - q) to the scores
  bool sinks = false;          // one more logit a head in the softmax's denominator
  bool q_bias = false, k_bias = false, v_bias = false, o_bias = false;
  NormScope qk_norm = NormScope::none;
  NormSpec q_norm, k_norm;
  std::optional<NormSpec> v_norm;  // per head
  bool value_is_key = false;       // V = the raw key projection
  float clip_qkv = 0;              // 0: no clamp
  std::int32_t kv_from = -1;       // reads this layer's cache in place of one of its own

  // Latent attention (MLA): keys and values are up-projections of one latent of kv_rank, and a rotated key of
  // rope_dim that all heads share.
  std::int32_t q_rank = 0;  // 0: queries straight from the hidden state
  std::int32_t kv_rank = 0, nope_dim = 0, rope_dim = 0;
  NormSpec latent_norm;
  bool q_a_bias = false, kv_a_bias = false;

  bool owns_cache() const { return kv_from < 0; }
  // Floats a token keeps in the cache, per kv head.
  std::int32_t cached_key_dim() const { return kind == Kind::latent ? kv_rank + rope_dim : key_dim; }
  std::int32_t cached_value_dim() const { return kind == Kind::latent ? 0 : value_dim; }  // latent: inside the key
  std::int32_t cached_heads() const { return kind == Kind::latent ? 1 : kv_heads; }
};

// W_down(act(W_gate z) * W_up z).
struct MlpSpec {
  std::int32_t width = 0;
  ActivationSpec activation;
  bool bias = false;
};

struct RouterSpec {
  enum class Score : std::uint8_t { softmax, sigmoid, softmax_of_chosen };
  enum class GroupScore : std::uint8_t { none, max, top2_sum };

  std::int32_t experts = 0;  // E
  std::int32_t top_k = 0;    // k
  Score score = Score::softmax;
  bool renormalise = false;      // divide the chosen weights by their sum
  float renormalise_eps = 0;     // added to that sum
  float weight_scale = 1;        // multiplies the weights at the end
  bool counts_scale = false;     // weight_scale is part of the model even if it is 1 (class B counts it)
  bool bias = false;             // added to the router's logits
  bool choice_bias = false;      // added to scores for the choice only
  GroupScore group_score = GroupScore::none;
  std::int32_t groups = 1, groups_kept = 1;
  bool dropped_group_is_zero = false;  // choices outside the kept groups become 0 instead of -inf
  bool own_input = false;        // Gemma 4: reads norm(residual) * scale vector * H^-1/2
  NormSpec input_norm;
  bool per_expert_scale = false; // multiplies the weight of each chosen expert
};

struct ExpertsSpec {
  RouterSpec router;
  std::int32_t width = 0;  // F_e
  ActivationSpec activation;
  bool bias = false;       // gate, up and down biases per expert
};

struct SharedExpertSpec {
  std::int32_t width = 0;
  ActivationSpec activation;
  bool gated = false;  // times sigmoid(w . z)
};

// Gemma 4's per-layer embedding inside a layer: x += norm(W_out(act(W_gate x) * p_layer)).
struct LayerInputSpec {
  std::int32_t width = 0;
  ActivationSpec activation;
  NormSpec norm;
};

struct LayerSpec {
  NormSpec input_norm;                        // before attention
  AttentionSpec attention;
  std::optional<NormSpec> post_attention_norm;  // on the branch, before it is added
  NormSpec ff_norm;                           // before the feed-forward parts
  std::optional<MlpSpec> dense;
  std::optional<ExpertsSpec> experts;
  std::optional<SharedExpertSpec> shared;
  // With both dense and experts: each reads the residual through a norm of its own (dense: ff_norm), and each
  // result has one; the sum is the branch.
  std::optional<NormSpec> dense_out_norm, experts_in_norm, experts_out_norm;
  std::optional<NormSpec> post_ff_norm;       // on the branch, before it is added
  std::optional<LayerInputSpec> layer_input;
  bool scalar = false;                        // multiplies the residual stream at the layer's end
};

// Gemma 4's per-layer embeddings at the model's entry, one row of `width` a layer:
// p = (table[token] * table_scale + norm(W x * projection_scale)) * 2^-1/2.
struct PerLayerEmbeddingSpec {
  std::int32_t vocab = 0, width = 0;
  float table_scale = 1, projection_scale = 1;
  NormSpec norm;
};

struct ModelSpec {
  std::string family;              // registry name, e.g. "qwen3_moe"
  std::int32_t vocab = 0;          // V
  std::int32_t hidden = 0;         // H
  std::int32_t max_positions = 0;  // the context the model was made for
  float embedding_scale = 1;       // 1: not scaled
  bool tied_head = false;          // the head is the embedding
  float logit_softcap = 0;         // 0: none; else c * tanh(logits / c)
  NormSpec final_norm;
  std::optional<PerLayerEmbeddingSpec> per_layer_embedding;
  std::vector<RopeSpec> ropes;
  std::vector<LayerSpec> layers;
  std::vector<std::int32_t> stop_ids;  // end-of-text ids of config.json and generation_config.json
  std::optional<std::int32_t> bos_id;

  std::int32_t layer_count() const { return static_cast<std::int32_t>(layers.size()); }
  // The first layer from which on no layer owns a cache: rows whose logits nobody needs may stop there.
  std::int32_t first_layer_without_cache() const;
};

// Checks that the numbers fit together (heads divide, sizes positive, donors own a cache of the same shape ...).
// Throws Error(config) naming `file` and the field.
void validate(const ModelSpec& spec, const std::string& file);

}  // namespace moe
