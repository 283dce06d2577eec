// A model on its way from one format to another: small files as text, tensors as functions that produce rows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/dtype.h"

namespace moe {

// A tensor that is not there yet: its rows are produced in chunks while the output is written, so that a
// model never has to fit into memory.
struct ImageTensor {
  std::string name;                 // the Hugging Face name
  std::vector<std::int64_t> shape;  // C order; a matrix is [out, in]
  DType native = DType::f32;        // the type that the source holds; f32 for quantised blocks
  // Writes rows [first, first + count) as floats, each row_size() long. The source is untrusted: may throw
  // Error.
  std::function<void(std::int64_t first, std::int64_t count, float* out)> read;
  // Gives the source's pages back, now and then while it is written and after; may be empty.
  std::function<void()> release;

  // A vector counts as one row.
  std::int64_t row_size() const noexcept { return shape.empty() ? 1 : shape.back(); }
  std::int64_t rows() const noexcept {
    std::int64_t out = 1;
    for (std::size_t i = 0; i + 1 < shape.size(); ++i) out *= shape[i];
    return out;
  }
  std::int64_t elements() const noexcept { return rows() * row_size(); }
};

struct ModelImage {
  std::string source;                        // the file or directory it came from, for messages
  std::map<std::string, std::string> files;  // file name -> contents; config.json is always there
  std::vector<ImageTensor> tensors;          // in the order in which they are to be written
  bool keep_types = false;                   // without a --dtype, write each tensor in its native type
  std::shared_ptr<const void> owner;         // what `read` needs to stay alive
};

}  // namespace moe
