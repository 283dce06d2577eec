// A model's weights from a packed file, and the making of that file.
#pragma once

#include <span>
#include <vector>

#include "engine/runtime/packed_file.h"
#include "engine/runtime/huge_arena.h"
#include "engine/runtime/weight_source.h"

namespace moe {

// What a matrix or vector is made of: slots, windows, the tensors they lie in and how. Two builds that would
// cut a checkpoint in different ways never take each other's files.
Hash128 recipe_of(std::span<const WeightPart> parts, kernels::RowOrder order, const WeightLocator& locate);

// Records in the order in which they are asked for. Throws Error(format) where the file holds another one.
class PackedSource : public WeightSource {
 public:
  // Matrices lie in the mapped file, which must outlive them.
  PackedSource(const PackedFile& file, const WeightLocator& locate) : file_(file), locate_(locate) {}
  // Matrices are copied into `memory` (huge pages, no dependence on the file) with the team's threads.
  void copy_into(HugeArena* memory, kernels::ThreadTeam* team);

  std::vector<float> vector(const WeightUse& use) override;
  kernels::PackedMatrix matrix(std::span<const WeightPart> parts, kernels::RowOrder order) override;

 private:
  const PackedRecord& next(const Hash128& recipe);

  const PackedFile& file_;
  const WeightLocator& locate_;
  HugeArena* memory_ = nullptr;
  kernels::ThreadTeam* team_ = nullptr;
  std::size_t next_ = 0;
};

// Hands on what another source gives and writes it; matrices are let go of at once, so that one is in memory
// at a time.
class PackedBuilder : public WeightSource {
 public:
  PackedBuilder(WeightSource& from, const WeightLocator& locate, PackedFileWriter& to)
      : from_(from), locate_(locate), to_(to) {}

  std::vector<float> vector(const WeightUse& use) override;
  kernels::PackedMatrix matrix(std::span<const WeightPart> parts, kernels::RowOrder order) override;

 private:
  WeightSource& from_;
  const WeightLocator& locate_;
  PackedFileWriter& to_;
};

}  // namespace moe
