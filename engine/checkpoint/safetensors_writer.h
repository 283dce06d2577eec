// Writes safetensors checkpoints piece by piece: one file, or shards with an index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/base/atomic_file.h"
#include "engine/base/dtype.h"

namespace moe {

struct SafetensorsWriterOptions {
  // A shard takes tensors until the next would make its data larger than this; a larger tensor has one to
  // itself.
  std::uint64_t shard_bytes = std::uint64_t{5'000'000'000};
  // Goes into every file's "__metadata__". Hugging Face's readers want to see "format": "pt".
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
};

// Writes `model.safetensors`, or `model-00001-of-0000N.safetensors` and `model.safetensors.index.json`, into
// a directory that exists. Declare every tensor, then write the bytes of all of them in the order of
// declaration, cut into pieces at will, then finish. The files appear under their names only in finish(); if
// anything fails before, nothing is left behind. Errors: usage (a name twice, sizes that do not fit 64 bits,
// too many or too few bytes, calls out of order), io (a full disk and the like). Not for sharing between
// threads.
class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(std::filesystem::path directory, SafetensorsWriterOptions options = {});

  void declare(std::string name, DType dtype, std::vector<std::int64_t> shape);
  // Bytes of the declared tensors, in order; a call may end within one tensor and go on with the next.
  void write(std::span<const std::byte> bytes);
  // The tensor whose bytes come next; an error if all are written.
  const std::string& next_tensor() const;
  // Bytes all tensors take.
  std::uint64_t total_bytes() const noexcept { return total_; }
  std::uint64_t written_bytes() const noexcept { return written_; }
  void finish();

 private:
  struct Declared {
    std::string name;
    DType dtype;
    std::vector<std::int64_t> shape;
    std::uint64_t bytes;
  };
  struct Shard {
    std::size_t first;  // its tensors are [first, last)
    std::size_t last;
    std::uint64_t bytes;  // of data
  };

  [[noreturn]] void fail(std::string thing, std::string expected, std::string found) const;
  void plan();
  void advance();
  std::string header_of(const Shard& shard) const;
  std::string index_text() const;
  std::string file_name(std::size_t shard) const;

  std::filesystem::path directory_;
  SafetensorsWriterOptions options_;
  std::vector<Declared> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::vector<Shard> shards_;      // empty until the first write
  std::vector<AtomicFile> files_;  // one a shard begun; all but the last are closed
  std::size_t next_ = 0;           // the tensor being written
  std::uint64_t written_ = 0;
  std::uint64_t in_tensor_ = 0;  // its bytes so far
  std::uint64_t total_ = 0;
  bool finished_ = false;
};

}  // namespace moe
