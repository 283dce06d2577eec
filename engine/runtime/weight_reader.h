// Brings weights from a checkpoint's bytes into the forms the kernels take.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/runtime/weight_source.h"
#include "kernels/thread_team.h"

namespace moe {

class WeightReader : public WeightSource {
 public:
  // `bytes_read` is told how many stored bytes each matrix took.
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

  std::vector<float> vector(const WeightUse& use) override;
  kernels::PackedMatrix matrix(std::span<const WeightPart> parts, kernels::RowOrder order) override;
  // What has been packed need not stay resident a second time.
  void finished(std::span<const WeightUse> uses) override;

  // Memory of all matrices so far.
  std::int64_t matrix_bytes() const { return matrix_bytes_; }

 private:
  struct Staged;
  // Throws Error(unsupported) naming the tensor unless its type `fits`.
  void require_type(const std::string& tensor, DType found, bool fits, std::string_view expected) const;
  Staged stage(const WeightPart& part) const;

  const Checkpoint& checkpoint_;
  const WeightLocator& locate_;
  kernels::ThreadTeam* team_;
  std::function<void(std::int64_t)> bytes_read_;
  std::int64_t matrix_bytes_ = 0;
};

}  // namespace moe
