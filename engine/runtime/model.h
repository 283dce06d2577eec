// A loaded model: its description and its weights, ready for the kernels. Immutable; threads share it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/model/spec.h"
#include "engine/runtime/kv_cache.h"
#include "engine/runtime/packed_file.h"
#include "engine/runtime/huge_arena.h"
#include "engine/runtime/quantisation.h"
#include "engine/runtime/weight_source.h"
#include "kernels/thread_team.h"

namespace moe {

using Vector = std::vector<float>;  // empty where the model has none

struct AttentionWeights {
  // Grouped: rows q | k | v, as far as the layer has them. Latent: rows of q (or none, with q_a) | kv_a.
  kernels::PackedMatrix in;        // [q_out + k_out + v_out, H]
  Vector in_bias;                  // [rows of in]; zeros where only some parts have one
  Vector q_norm, k_norm;           // [d], or [all heads * d]
  Vector sinks;                    // [n_q]
  Vector alibi_slopes;             // [n_q]
  kernels::PackedMatrix out;       // [H, n_q * d_v]
  Vector out_bias;                 // [H]
  // Latent only. kv_b is kept in its absorbed form: per head one half is spent on the query, one on the output.
  Vector q_a_norm, kv_a_norm;                  // [q_rank], [kv_rank]
  kernels::PackedMatrix q_b;                   // [n_q * key_dim, q_rank]
  std::vector<kernels::PackedMatrix> key_up;   // per head [kv_rank, nope_dim]
  std::vector<kernels::PackedMatrix> value_up; // per head [value_dim, kv_rank]
};

struct GatedWeights {
  kernels::PackedMatrix gate_up;  // [2F, H], RowOrder::gate_up
  kernels::PackedMatrix down;     // [H, F]
  Vector gate_up_bias, down_bias;
};

struct LayerWeights {
  Vector input_norm, post_attention_norm, ff_norm, post_ff_norm;                     // [H]
  AttentionWeights attention;
  GatedWeights dense;
  kernels::PackedMatrix router;                                                      // [E, H]
  Vector router_bias, router_choice_bias, router_expert_scale;                       // [E]
  Vector router_scale;                                                               // [H]
  std::vector<GatedWeights> experts;
  GatedWeights shared;
  kernels::PackedMatrix shared_expert_gate;                                          // [1, H]
  Vector dense_out_norm, experts_in_norm, experts_out_norm;                          // [H]
  kernels::PackedMatrix layer_input_gate, layer_input_out;                           // [W, H], [H, W]
  Vector layer_input_norm;                                                           // [H]
  float scalar = 1;
  std::int64_t vector_bytes = 0;  // bytes of all small vectors of the layer, experts' biases apart
};

// A table whose rows are read one at a time from the file, so that it costs no memory of its own.
// Thread-safe.
class RowTable {
 public:
  RowTable() = default;
  // `checkpoint` must outlive the table.
  RowTable(const Checkpoint& checkpoint, const Tensor* tensor, const TensorSlice& slice, std::int64_t cols)
      : checkpoint_(&checkpoint), tensor_(tensor), slice_(slice), cols_(cols) {}
  void read(std::int64_t row, float* out) const;  // out[cols]
  std::int64_t row_bytes() const;

 private:
  const Checkpoint* checkpoint_ = nullptr;
  const Tensor* tensor_ = nullptr;
  TensorSlice slice_;
  std::int64_t cols_ = 0;
};

// What is kept in memory, ready for the kernels.
struct ModelWeights {
  // [layers * W, H]: of the layers that run for every row, and of those that run for wanted rows only.
  kernels::PackedMatrix per_layer_projection, per_layer_projection_late;
  Vector per_layer_projection_norm;           // [W]
  kernels::PackedMatrix head;                 // [V, H]
  Vector final_norm;                          // [H]
  std::vector<LayerWeights> layers;
};
// Asks the source for all of them: the same weights in the same order for the same spec.
ModelWeights read_weights(const ModelSpec& spec, WeightSource& source);

// Where a model's matrices lie while it runs.
enum class WeightPlace : std::uint8_t { memory, packed_file, checkpoint };
std::string_view name(WeightPlace place) noexcept;

struct LoadOptions {
  kernels::ThreadTeam* team = nullptr;  // packs with its threads; null: the calling thread alone
  std::function<void(std::int64_t done_bytes, std::int64_t total_bytes)> progress;
  std::function<void(const std::string& note)> note;  // what went another way than asked for, though the model loads
  std::optional<Quantisation> quantise;               // nothing: types as they are stored

  // Packed weights are kept in this folder, one file for a checkpoint's folder and a form of weights; empty: not used.
  std::filesystem::path packed_folder;
  bool make_packed = false;    // make the file where there is none that fits; else only use one that is there
  bool verify_packed = false;  // compare all of it with its checksums first

  enum class Mapping : std::uint8_t {
    automatic,  // a packed file as it lies in its mapping; else memory, if the weights fit
    always,     // else the checkpoint as it lies in its mapping: packed in the course of each product, which is slow
    never,      // all weights in memory
  };
  Mapping mapping = Mapping::automatic;
  std::optional<std::int64_t> memory;  // bytes that automatic may take; nothing: what is available
};

// The file that packed weights of a checkpoint's folder are kept in.
std::filesystem::path packed_path(const std::filesystem::path& packed_folder, const std::filesystem::path& checkpoint,
                                  const std::optional<Quantisation>& quantise);

class Model : public ModelWeights {
 public:
  // Checks that the checkpoint holds every weight of the spec in its shape, then packs them tensor by tensor: no more
  // than one is in memory twice. Errors (config, format, unsupported) name file, tensor, expected and found, and come
  // before the first weight is read. A packed file that cannot be used or made is noted and done without.
  static std::shared_ptr<const Model> load(ModelSpec spec, const WeightLocator& locate,
                                           std::shared_ptr<const Checkpoint> checkpoint, const LoadOptions& options = {});

  const ModelSpec& spec() const { return spec_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  // Bytes of the packed matrices, and where they lie.
  std::int64_t weight_bytes() const { return weight_bytes_; }
  WeightPlace place() const { return place_; }
  // The packed matrices that lie in memory of the model, side by side.
  std::span<const std::byte> resident_weights() const { return memory_.taken(); }

  RowTable embedding;        // [V, H]
  RowTable per_layer_table;  // [V, N * W]

 private:
  class Loader;
  Model(ModelSpec spec, std::shared_ptr<const Checkpoint> checkpoint)
      : spec_(std::move(spec)), checkpoint_(std::move(checkpoint)) {}

  ModelSpec spec_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::int64_t weight_bytes_ = 0;
  WeightPlace place_ = WeightPlace::memory;
  // What the matrices lie in.
  HugeArena memory_;
  std::optional<PackedFile> packed_file_;
};

}  // namespace moe
