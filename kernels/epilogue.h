// What a product does with its sums before it writes them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace moe::kernels {

enum class Activation : std::uint8_t { silu, gelu_tanh, clamped_swiglu };

// The operations are those of the separate kernels in the same order, so fusing them changes no bit:
//   v = sum (+ bias); a matrix of gate and up rows gives act(v_gate) * v_up; y = (residual +) v.
struct Epilogue {
  const float* bias = nullptr;      // [w.rows()]
  const float* residual = nullptr;  // [rows][outputs], rows `residual_stride` floats apart; may be y itself
  std::ptrdiff_t residual_stride = 0;
  // Of matrices in RowOrder::gate_up alone.
  Activation activation = Activation::silu;
  float alpha = 0, limit = 0;  // clamped_swiglu's
  // Outputs stay in the caches however many there are: they are read soon by the thread that makes them.
  bool read_soon = false;
};

}  // namespace moe::kernels
