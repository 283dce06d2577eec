// How much memory a model's weights take, found by asking for all of them and making none.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/runtime/huge_arena.h"
#include "engine/runtime/weight_source.h"

namespace moe {

class MatrixSizes : public WeightSource {
 public:
  // The type a matrix would be packed in; nothing where it takes no memory.
  using TypeOf = std::function<std::optional<kernels::WeightType>(std::span<const WeightPart>)>;
  explicit MatrixSizes(TypeOf type_of) : type_of_(std::move(type_of)) {}

  std::vector<float> vector(const WeightUse& use) override {
    vector_bytes_ += use.rows * static_cast<std::int64_t>(sizeof(float));
    return std::vector<float>(static_cast<std::size_t>(use.rows));
  }
  kernels::PackedMatrix matrix(std::span<const WeightPart> parts, kernels::RowOrder order) override {
    if (const auto type = type_of_(parts)) {
      matrix_bytes_ +=
          HugeArena::rounded(kernels::packed_bytes(*type, rows_of(parts), cols_of(parts), order));
    }
    return {};
  }

  std::int64_t matrix_bytes() const { return matrix_bytes_; }  // as HugeArena takes them
  std::int64_t vector_bytes() const { return vector_bytes_; }

 private:
  TypeOf type_of_;
  std::int64_t matrix_bytes_ = 0, vector_bytes_ = 0;
};

}  // namespace moe
