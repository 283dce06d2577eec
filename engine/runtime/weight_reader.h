// Brings weights from a checkpoint's bytes into the forms the kernels take.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/model/weights.h"
#include "kernels/packed_matrix.h"
#include "kernels/thread_team.h"

namespace moe {

class WeightReader {
 public:
  WeightReader(const Checkpoint& checkpoint, const WeightLocator& locate, kernels::ThreadTeam* team,
               std::function<void(std::int64_t)> bytes_read);

  // A stored weight that was found and fits.
  struct Found {
    const Tensor* tensor = nullptr;
    const Tensor* scales = nullptr;
    TensorSlice slice;
  };
  // Throws where the tensor is missing, has another shape or cannot be read as weights.
  Found find(const WeightUse& use) const;

  std::vector<float> vector(const WeightUse& use) const;

  // A [rows, cols] window of a weight; strides count in the weight's own rows and columns.
  struct Part {
    WeightUse use;
    std::int64_t first_row = 0, rows = 0;
    bool transposed = false;  // the window's rows become columns
  };
  static Part whole(const WeightUse& use) { return {use, 0, use.rows, false}; }
  // The parts one below the other. Types that differ are widened to f32.
  kernels::PackedMatrix matrix(std::span<const Part> parts) const;
  kernels::PackedMatrix matrix(const WeightUse& use) const;

 private:
  struct Staged;
  Staged stage(const Part& part) const;

  const Checkpoint& checkpoint_;
  const WeightLocator& locate_;
  kernels::ThreadTeam* team_;
  std::function<void(std::int64_t)> bytes_read_;
};

}  // namespace moe
