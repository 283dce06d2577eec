// A file mapped read-only into memory, touched page by page as it is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "engine/base/files.h"

namespace moe {

// Owns the mapping. The size is checked once, at open; a file that another program cuts short afterwards
// faults when its lost pages are read, as with every mapped file. Reading, drop and will_need are safe from
// any thread.
class MappedFile {
 public:
  MappedFile() noexcept = default;
  // Errors (io): not a regular file, empty, cannot be opened or mapped.
  static MappedFile open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  std::int64_t mtime_ns() const noexcept { return mtime_ns_; }

  // Gives the pages of `part` back: they leave this process's resident memory and are read again if touched.
  // So do those around it that touching it may have mapped, up to 2 MB on either side. `part` must lie inside
  // bytes(); anything else is ignored.
  void drop(std::span<const std::byte> part) const noexcept;
  // Asks the system to read `part` ahead.
  void will_need(std::span<const std::byte> part) const noexcept;
  // Copies `part` out of the file without touching the mapping: a touch maps up to 2 MB around it, all of
  // which counts as this process's memory. False where it cannot be read so.
  bool copy(std::span<const std::byte> part, std::byte* out) const noexcept;

 private:
  bool contains(std::span<const std::byte> part) const noexcept;
  void advise(std::span<const std::byte> part, int advice) const noexcept;

  FileDescriptor fd_;
  std::span<const std::byte> bytes_;
  std::int64_t mtime_ns_ = 0;
};

}  // namespace moe
