// Made-up weights for any ModelSpec: what benchmarks and tests of real shapes run on where there is no
// checkpoint.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/base/dtype.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/model/spec.h"
#include "engine/model/weights.h"

namespace moe {

struct SyntheticOptions {
  DType type = DType::bf16;             // of everything that is plain: f32, f16 or bf16
  Encoding matrices = Encoding::plain;  // of the layers' matrices, routers apart: plain or fp8_block
  Encoding experts = Encoding::plain;   // of the routed experts' matrices: any
  std::uint64_t seed = 1;
  // Routers' rows have lengths of 1 - spread to 1 + spread: the logits of longer ones are more often among
  // the largest. At 0.25 a popular expert is chosen about five times as often as the mean; at 0 loads are
  // even but for chance.
  float router_spread = 0.25F;
};

struct SyntheticWeights {
  std::shared_ptr<const Checkpoint> checkpoint;
  WeightLocator locate;  // owns what it refers to
};

// Every weight is a window on one of a few arrays of random numbers, cut at a place and with a row stride
// that depend on the weight, so that rows overlap without being equal and a model of any size costs no memory
// before it is packed. Deterministic in spec and options. Numbers are near normal, none of them subnormal:
// deviation 0.02 in most matrices, less in those that add to the residual stream, more in the embedding;
// vectors that multiply lie around 1. Throws std::invalid_argument for types that are not named above.
SyntheticWeights synthetic_weights(const ModelSpec& spec, const SyntheticOptions& options);

}  // namespace moe
