// What a model costs, from its description alone: parameters, FLOPs, bytes of weights and of cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/dtype.h"
#include "engine/model/closed_form.h"
#include "engine/model/spec.h"
#include "engine/model/weights.h"
#include "kernels/compute.h"
#include "kernels/kv_block.h"

namespace moe {

// How a checkpoint stores its weights, as its config.json says.
struct StoredTypes {
  enum class Blocks : std::uint8_t { none, fp8, mxfp4 };  // which matrices are stored in blocks: none, layers', experts'
  DType type = DType::bf16;                               // of every other number: f32, f16 or bf16
  Blocks blocks = Blocks::none;

  std::int32_t bits() const { return 8 * std::int32_t(size_of(type)); }
};

// A type that weights can be kept in. Groups of `group` weights of a row share one scale; 0: none.
struct WeightForm {
  std::string_view name;
  std::int32_t bits = 0;  // 0: as stored
  std::int32_t group = 0;
  std::int32_t scale_bits = 0;
  std::int32_t head_bits = 0;  // of the head, where they are others: its groups are the same

  bool native() const { return bits == 0; }
  // Quantised forms leave routers, vectors and embedding tables as stored, so their bytes are of a mixture.
  bool quantised() const { return group > 0; }
  double bits_per_weight() const { return bits + (group > 0 ? static_cast<double>(scale_bits) / group : 0.0); }
};
inline constexpr WeightForm kWeightForms[] = {{"native", 0}, {"f32", 32}, {"bf16", 16}, {"q8", 8, 32, 16}, {"q4", 4, 32, 16}, {"q4h8", 4, 32, 16, 8}};

// Bytes of every parameter the model uses, each counted once, as a checkpoint of that form would store them.
std::int64_t stored_weight_bytes(const ModelSpec& spec, const StoredTypes& stored, const WeightForm& form);
// Bytes that weights take in memory, exactly where the stored types are what they are said to be.
struct WeightBytes {
  // What stays: matrices in tiles of 16 outputs, a tied head as a matrix of its own, vectors in f32; what is stored in
  // FP8 blocks as f32, and MXFP4 as bf16. The embedding tables are read by row from the file and take none.
  std::int64_t resident = 0;
  // The most there is at once while they are loaded: what is ready, and what the next slab is made of.
  std::int64_t loading = 0;
};
WeightBytes weight_bytes_in_memory(const ModelSpec& spec, const StoredTypes& stored, const WeightForm& form);

// Bytes one more token adds to the cache with numbers of `element_bytes`: in layers that see everything, and in those
// with a window, whose cache stops growing once it is full. Layers that read another's cache add nothing.
struct KvTokenBytes {
  std::int64_t full = 0, sliding = 0;
  std::int64_t total() const { return full + sliding; }
};
KvTokenBytes kv_token_bytes(const ModelSpec& spec, std::int32_t element_bytes);
// The most the runtime's cache takes while one sequence grows to `context` tokens with prompts fed in chunks:
// whole blocks of positions, windows with the chunk that is being added.
std::int64_t kv_cache_bytes(const ModelSpec& spec, std::int64_t context, std::int64_t chunk,
                            kernels::KvType type = kernels::KvType::f32);
// The same with what is left over of the huge pages that blocks lie on.
std::int64_t kv_memory_bytes(const ModelSpec& spec, std::int64_t context, std::int64_t chunk,
                             kernels::KvType type = kernels::KvType::f32);

// What a pass over `rows` tokens for the logits of the last takes in buffers, with the kernels of this processor (or MOE_KERNELS, of
// which UnsupportedKernels is thrown).
std::int64_t work_bytes(const ModelSpec& spec, std::int64_t rows,
                        kernels::Compute compute = kernels::Compute::f32);
// What a program takes before it loads anything.
inline constexpr std::int64_t kProgramBytes = 11'000'000;

// Costs at one context length L.
struct ContextCosts {
  std::int64_t context = 0;
  Flops decode;        // one token that sees L keys, itself included
  Flops prefill;       // L tokens into an empty cache, logits of the last; every layer runs for every token
  Flops prefill_fast;  // the same as the engine runs it: layers that share another's cache run for the last token only
  // The cache at its fullest and a chunk's buffers, with the arithmetic and the cache that are usual beside
  // weights as they are stored (f32), and beside quantised ones (int8, bf16).
  struct Run {
    std::int64_t kv_bytes = 0, kv_memory_bytes = 0, work_bytes = 0;
    // The most that a program takes which loads the weights and then runs.
    std::int64_t peak(const WeightBytes& weights) const {
      return kProgramBytes + std::max(weights.loading, weights.resident + kv_memory_bytes + work_bytes);
    }
  };
  Run plain, quantised;

  const Run& run(const WeightForm& form) const { return form.quantised() ? quantised : plain; }
};

struct Inspection {
  ParameterCount parameters;
  std::int64_t total = 0;
  std::int64_t matmul = 0;   // M: multiplies every token, outside the head
  std::int64_t head = 0;     // V * H, tied or not
  std::int64_t active = 0;   // M, head, and the vectors a token uses
  std::int64_t lookup = 0;   // numbers of the table rows a token looks up
  std::int64_t experts = 0, chosen = 0;  // summed over the layers that have experts
  AttentionSlopes slopes;
  std::vector<ContextCosts> contexts;

  // Share of the parameters that a token uses, look-ups not counted.
  double activation_rate() const { return static_cast<double>(active) / static_cast<double>(total); }
};

// Formulas: docs/costs.md. Throws Error(limit) for a description whose numbers do not fit 63 bits, or with more experts
// than can be listed; Error(usage) for a context or chunk below 1. Thread-safe.
Inspection inspect(const ModelSpec& spec, const std::vector<std::int64_t>& contexts, std::int64_t chunk);

}  // namespace moe
