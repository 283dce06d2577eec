// Reads safetensors files: an untrusted JSON header, then the tensors' bytes without gaps.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/mapped_file.h"
#include "engine/checkpoint/tensor.h"

namespace moe {

// The format's own bound on the header.
inline constexpr std::size_t kMaxSafetensorsHeader = 100'000'000;
// More dimensions than any array library knows.
inline constexpr std::size_t kMaxTensorRank = 64;

struct SafetensorsContents {
  std::vector<Tensor> tensors;                  // in the order of their bytes
  std::map<std::string, std::string> metadata;  // "__metadata__"
  std::size_t header_bytes = 0;                 // length field and header: where the data begins
};

// Checks and describes a whole file given as bytes; the tensors are views into them. Only the header is read.
// Every fault is one Error naming file, tensor, expected and found: kind format; unsupported for element
// types that the format knows and this program does not; limit for a header or rank beyond the bounds above.
// What is checked: the header's length against the file, its JSON (depth, unique keys), dtype, shape
// (non-negative integers, no overflow), data_offsets (inside the data, in order, as long as dtype and shape
// say), and that the tensors cover the data without overlap, hole or rest. The format asks for no alignment
// of whole-byte types.
SafetensorsContents read_safetensors(std::span<const std::byte> bytes, std::string_view file);

// A mapped safetensors file. Immutable after open; safe to read from several threads.
class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const noexcept { return path_; }
  std::span<const Tensor> tensors() const noexcept { return contents_.tensors; }
  const std::map<std::string, std::string>& metadata() const noexcept { return contents_.metadata; }
  // nullptr if there is none of that name.
  const Tensor* find(std::string_view name) const noexcept;
  // The length field and the header as they stand in the file.
  std::span<const std::byte> header() const noexcept { return file_.bytes().first(contents_.header_bytes); }
  std::size_t size() const noexcept { return file_.bytes().size(); }
  std::int64_t mtime_ns() const noexcept { return file_.mtime_ns(); }

  // As MappedFile's.
  bool copy(std::span<const std::byte> part, std::byte* out) const noexcept { return file_.copy(part, out); }
  // Gives the pages of a part of this file back to the system, or asks for them ahead.
  void drop(std::span<const std::byte> part) const noexcept { file_.drop(part); }
  void will_need(std::span<const std::byte> part) const noexcept { file_.will_need(part); }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  SafetensorsContents contents_;
  std::unordered_map<std::string_view, const Tensor*>
      by_name_;  // views into contents_, which moves with them
};

}  // namespace moe
