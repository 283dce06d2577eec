// Brings weights from a checkpoint's bytes into the forms the kernels take.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/runtime/huge_arena.h"
#include "engine/runtime/quantisation.h"
#include "engine/runtime/weight_source.h"
#include "kernels/thread_team.h"

namespace moe {

class WeightReader : public WeightSource {
 public:
  // Works with the team's threads, if there is one. `quantise` may be nothing: types as they are stored.
  // `bytes_read` is told how many stored bytes each matrix took.
  WeightReader(const Checkpoint& checkpoint, const WeightLocator& locate, kernels::ThreadTeam* team,
               std::optional<Quantisation> quantise, std::function<void(std::int64_t)> bytes_read);
  // Matrices are placed there from now on, in place of memory of their own.
  void use_memory(HugeArena* memory) { memory_ = memory; }
  // Matrices of floats stay in the mapped checkpoint from now on, unpacked; what is stored in other ways is packed.
  void leave_in_place() { leave_in_place_ = true; }
  // Whether matrix() would leave these parts in the checkpoint.
  bool stays_in_place(std::span<const WeightPart> parts) const;

  // A stored weight that was found and fits.
  struct Found {
    const Tensor* tensor = nullptr;
    const Tensor* scales = nullptr;
    TensorSlice slice;
  };
  // Throws where the tensor is missing, has another shape or cannot be read as weights.
  Found find(const WeightUse& use) const;

  // Copied out of the file: a touch of its mapping for so little would map up to 2 MB.
  std::vector<float> vector(const WeightUse& use) override;
  // Reads through the mapped file and gives its pages back slab by slab (matrix_sizes.h), so that a weight is resident
  // once.
  kernels::PackedMatrix matrix(std::span<const WeightPart> parts, kernels::RowOrder order) override;
  // The type in which matrix() would pack these parts.
  kernels::WeightType type_of(std::span<const WeightPart> parts) const;

 private:
  struct Staged;
  // Throws Error(unsupported) naming the tensor unless its type `fits`.
  void require_type(const std::string& tensor, DType found, bool fits, std::string_view expected) const;
  void widen(const Found& w, const WeightPart& part, kernels::WeightType type, std::byte* out) const;
  Staged stage(const WeightPart& part, std::byte* widened) const;
  void pack_slab(std::span<const WeightPart> parts, std::int64_t first_tile, kernels::PackedMatrix& packed);

  const Checkpoint& checkpoint_;
  const WeightLocator& locate_;
  kernels::ThreadTeam* team_;
  std::optional<Quantisation> quantise_;
  HugeArena* memory_ = nullptr;
  bool leave_in_place_ = false;
  std::function<void(std::int64_t)> bytes_read_;
  std::vector<std::byte> widened_;  // floats of one slab, where they had to be made
};

}  // namespace moe
