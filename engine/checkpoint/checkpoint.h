// The weights of one model: a safetensors file, several that an index names, or tensors in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/checkpoint/safetensors.h"

namespace moe {

// Opens `model.safetensors`, or the shards of `model.safetensors.index.json`, and checks all of their
// headers; the tensors' bytes are read when touched. Immutable after open: all members may be called from
// several threads.
class Checkpoint {
 public:
  // Errors name the file and the tensor: io (missing or unreadable), format (a fault of a header or of the
  // index, a shard name that leads out of the directory), unsupported (weights in other formats only).
  static Checkpoint open(const std::filesystem::path& directory);
  // Tensors that come from no file: directory(), files() and file_of() are empty. The tensors' bytes must live as long
  // as `owner`, which the checkpoint keeps. No name twice (a programmer's error).
  static Checkpoint in_memory(std::vector<Tensor> tensors, std::shared_ptr<const void> owner);

  const std::filesystem::path& directory() const noexcept { return directory_; }
  // nullptr if there is none of that name.
  const Tensor* find(std::string_view name) const noexcept;
  // The tensor of that name, or an error (config) that names the file, the tensor, and both shapes. A
  // negative entry of `shape` stands for any size.
  const Tensor& require(std::string_view name, std::span<const std::int64_t> shape) const;
  const Tensor& require(std::string_view name, std::initializer_list<std::int64_t> shape) const {
    return require(name, std::span(shape.begin(), shape.size()));
  }
  // The same without a demand on the shape.
  const Tensor& require(std::string_view name) const;

  // All tensors' names, sorted.
  const std::vector<std::string_view>& names() const noexcept { return names_; }
  // The file that holds the tensor of that name; the index or the only file for a name that is unknown.
  const std::filesystem::path& file_of(std::string_view name) const noexcept;
  const std::vector<SafetensorsFile>& files() const noexcept { return files_; }
  // The index's path; empty if there is none.
  const std::filesystem::path& index() const noexcept { return index_; }
  // Bytes of all tensors.
  std::uint64_t total_bytes() const noexcept { return total_bytes_; }

  // Copies a part of a tensor, which stays out of this process's resident memory where it lies in a file.
  void copy(const Tensor& tensor, std::span<const std::byte> part, std::byte* out) const noexcept;
  // Gives the pages of a part of a tensor back to the system (it may still be read), or asks for them ahead.
  void drop(const Tensor& tensor, std::span<const std::byte> part) const noexcept;
  void will_need(const Tensor& tensor, std::span<const std::byte> part) const noexcept;

 private:
  struct Place {
    const Tensor* tensor;
    std::size_t file;  // files_.size() for a tensor of no file
  };
  void add(SafetensorsFile file);
  void open_shards(const std::filesystem::path& index);
  void sort_names();

  std::filesystem::path directory_;
  std::filesystem::path index_;
  std::vector<SafetensorsFile> files_;
  std::vector<Tensor> loose_;  // of no file
  std::shared_ptr<const void> owner_;
  std::unordered_map<std::string_view, Place> places_;  // views of the names inside files_
  std::vector<std::string_view> names_;
  std::uint64_t total_bytes_ = 0;
};

// The index of a sharded checkpoint: tensor name -> file name, as the file's "weight_map" says. Throws Error
// (format, limit) for JSON faults, a missing or wrong weight_map, names that are not plain file names.
std::unordered_map<std::string, std::string> read_shard_index(std::string_view text, std::string_view file);

}  // namespace moe
