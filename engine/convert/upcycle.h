// Turns a dense model into a mixture of experts that computes the same function.
#pragma once

#include <cstdint>

#include "engine/convert/model_image.h"

namespace moe {

struct Upcycling {
  std::int64_t experts = 0;
  std::int64_t used = 0;  // a token
  std::uint64_t seed = 0;
};

// Llama becomes Mixtral and Qwen3 becomes Qwen3-MoE. Every expert is a copy of the layer's dense MLP and the
// router is random (uniform with a standard deviation of 0.02, on the grid of bf16, the same for a seed
// everywhere); the weights of the chosen experts sum to 1, so that the layer's output is the dense one up to
// rounding. Throws Error: usage unless 1 <= used <= experts <= 1024; unsupported for other families, biases,
// and settings that the target cannot say.
void upcycle(ModelImage& image, const Upcycling& how);

}  // namespace moe
