// Every weight a ModelSpec needs, by slot, and where a checkpoint keeps it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/spec.h"

namespace moe {

// A weight by its role. Families name tensors differently; the engine only knows slots.
enum class Slot : std::uint8_t {
  // the whole model
  embedding, head, final_norm, per_layer_table, per_layer_projection, per_layer_projection_norm,
  // attention; the latent ones are MLA's
  input_norm, q, k, v, o, q_bias, k_bias, v_bias, o_bias, q_norm, k_norm, sinks, post_attention_norm,
  q_a, q_a_bias, q_a_norm, q_b, kv_a, kv_a_bias, kv_a_norm, kv_b,
  // feed-forward
  ff_norm, gate, up, down, gate_bias, up_bias, down_bias, post_ff_norm,
  router, router_bias, router_choice_bias, router_scale, router_expert_scale,
  expert_gate, expert_up, expert_down, expert_gate_bias, expert_up_bias, expert_down_bias,
  shared_gate, shared_up, shared_down, shared_expert_gate,
  dense_out_norm, experts_in_norm, experts_out_norm,
  // Gemma 4's per-layer input, and the scalar at a layer's end
  layer_input_gate, layer_input_out, layer_input_norm, layer_scalar,
};
std::string_view name(Slot slot) noexcept;
// Whether a matrix keeps its stored type where weights are quantised: a router's choice is worth more than its bytes.
bool kept_when_quantised(Slot slot) noexcept;
// Whether a matrix of this weight is the head: a tied one is made of the embedding.
bool makes_head(Slot slot) noexcept;
// Whether it is a matrix of a routed expert.
bool is_expert_matrix(Slot slot) noexcept;

// One weight the model needs. A matrix is [rows, cols] = [outputs, inputs]; a vector has rows = n and cols = 0.
struct WeightUse {
  Slot slot;
  std::int32_t layer = -1;   // -1: the whole model's
  std::int32_t expert = -1;  // -1: not an expert's
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  bool is_vector() const { return cols == 0; }
  std::int64_t parameters() const { return is_vector() ? rows : rows * cols; }
};

// The weights of the whole model and of one layer, in the order the loader reads them. A tied head is not listed.
std::vector<WeightUse> model_weights(const ModelSpec& spec);
std::vector<WeightUse> layer_weights(const ModelSpec& spec, std::int32_t layer);

// Rows and columns of the blocks of 8-bit floats that share a scale, and how many of them n rows or columns are.
inline constexpr std::int64_t kFp8Block = 128;
constexpr std::int64_t fp8_blocks(std::int64_t n) noexcept { return (n + kFp8Block - 1) / kFp8Block; }

// How the stored bytes become numbers.
enum class Encoding : std::uint8_t {
  plain,      // elements of a float type
  fp8_block,  // F8_E4M3 elements times a float of `scales`, one a kFp8Block x kFp8Block block
  mxfp4,      // two 4-bit floats a byte along the inputs, one power-of-two scale byte of `scales` for 32
};

// Where one weight lies: a strided [rows, cols] view of a stored tensor.
struct TensorSlice {
  std::string tensor;               // stored name
  std::vector<std::int64_t> shape;  // the stored shape that is expected
  std::int64_t offset = 0;          // elements from the tensor's start to (0, 0)
  std::int64_t row_stride = 0;      // elements between rows
  std::int64_t col_stride = 1;      // elements between columns
  Encoding encoding = Encoding::plain;
  std::string scales;                      // fp8_block, mxfp4: the tensor of scales
  std::vector<std::int64_t> scales_shape;  // its expected shape
};

// Finds a weight in a checkpoint; made by a family file, which may look at what the checkpoint holds.
using WeightLocator = std::function<TensorSlice(const WeightUse&)>;

// Parameters by what they do for one token. total() counts every stored number the model uses once.
struct ParameterCount {
  std::int64_t embedding = 0;         // input embedding; with a tied head it is the head too
  std::int64_t per_layer_table = 0;   // per-layer embedding table
  std::int64_t head = 0;              // 0 where tied
  std::int64_t attention = 0, dense_mlp = 0, router = 0, shared_expert = 0;
  std::int64_t per_layer_matrices = 0;
  std::int64_t experts = 0;           // all of them
  std::int64_t experts_active = 0;    // those one token uses
  std::int64_t vectors = 0;           // norms, biases, scalars, sinks
  std::int64_t vectors_active = 0;    // the same with only the chosen experts' biases
  std::int64_t router_vectors = 0;    // part of vectors: router scales and biases

  std::int64_t total() const;
};
ParameterCount count_parameters(const ModelSpec& spec);

}  // namespace moe
