// Where the loader takes a model's matrices and vectors from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/weights.h"
#include "kernels/packed_matrix.h"

namespace moe {

// A window of whole rows of a weight.
struct WeightPart {
  WeightUse use;
  std::int64_t first_row = 0, rows = 0;
  bool transposed = false;  // the window's rows become columns

  std::int64_t out_rows() const { return transposed ? use.cols : rows; }
  std::int64_t out_cols() const { return transposed ? rows : use.cols; }
};
// The shape of the parts one below the other.
inline std::int64_t rows_of(std::span<const WeightPart> parts) {
  std::int64_t rows = 0;
  for (const WeightPart& part : parts) rows += part.out_rows();
  return rows;
}
inline std::int64_t cols_of(std::span<const WeightPart> parts) { return parts.front().out_cols(); }

inline WeightPart whole(const WeightUse& use) { return {use, 0, use.rows, false}; }

class WeightSource {
 public:
  virtual ~WeightSource() = default;

  virtual std::vector<float> vector(const WeightUse& use) = 0;
  // The parts one below the other. Types that differ are widened to f32.
  virtual kernels::PackedMatrix matrix(std::span<const WeightPart> parts,
                                       kernels::RowOrder order = kernels::RowOrder::stacked) = 0;
};

}  // namespace moe
