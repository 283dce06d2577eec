// How much memory a model's weights take, found by asking for all of them and making none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/runtime/huge_arena.h"
#include "engine/runtime/weight_source.h"

namespace moe {

// A matrix is packed in equal slabs, so that no more than this is in memory of what it is made of: bytes of the file, and
// floats where the kernels cannot read those.
inline constexpr std::int64_t kSlabBytes = std::int64_t{32} << 20;
inline std::int64_t slabs_of(std::int64_t source_bytes) { return std::max<std::int64_t>(1, (source_bytes + kSlabBytes - 1) / kSlabBytes); }

class MatrixSizes : public WeightSource {
 public:
  // The type a matrix would be packed in; nothing where it takes no memory.
  using TypeOf = std::function<std::optional<kernels::WeightType>(std::span<const WeightPart>)>;
  // Bytes of what a matrix would be made of.
  using SourceBytes = std::function<std::int64_t(std::span<const WeightPart>)>;
  explicit MatrixSizes(TypeOf type_of, SourceBytes source_bytes = nullptr)
      : type_of_(std::move(type_of)), source_bytes_(std::move(source_bytes)) {}

  std::vector<float> vector(const WeightUse& use) override {
    vector_bytes_ += use.rows * static_cast<std::int64_t>(sizeof(float));
    return std::vector<float>(static_cast<std::size_t>(use.rows));
  }
  kernels::PackedMatrix matrix(std::span<const WeightPart> parts, kernels::RowOrder order) override {
    if (const auto type = type_of_(parts)) {
      matrix_bytes_ +=
          HugeArena::rounded(kernels::packed_bytes(*type, rows_of(parts), cols_of(parts), order));
    }
    if (source_bytes_) {
      const std::int64_t source = source_bytes_(parts);
      loading_bytes_ = std::max(loading_bytes_, matrix_bytes_ + vector_bytes_ + source / slabs_of(source));
    }
    return {};
  }

  std::int64_t matrix_bytes() const { return matrix_bytes_; }  // as HugeArena takes them
  std::int64_t vector_bytes() const { return vector_bytes_; }
  // The most that is in memory at once while they are made in this order: what is ready and the source of one slab.
  std::int64_t loading_bytes() const { return loading_bytes_; }

 private:
  TypeOf type_of_;
  SourceBytes source_bytes_;
  std::int64_t matrix_bytes_ = 0, vector_bytes_ = 0, loading_bytes_ = 0;
};

}  // namespace moe
