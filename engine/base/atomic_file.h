// Writes a file that is either complete under its name or not there at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/files.h"

namespace moe {

// Bytes go to a temporary file in the same directory; commit() flushes it to disk and renames it over the
// target. Without commit the destructor removes it, so a failure leaves nothing behind and an older file
// untouched. A target that exists and is no regular file (a device, a pipe) is written directly. Every
// failure, a full disk among them, is an Error (io) that names the target. Not for sharing between threads.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  std::uint64_t size() const noexcept { return written_; }

  // Flushes to disk and closes, still under the temporary name: what can fail for want of space fails here.
  void close();
  // close(), if that has not been done, and the rename.
  void commit();

  const std::filesystem::path& target() const noexcept { return target_; }

 private:
  void flush();
  [[noreturn]] void fail(std::string_view action, int error) const;

  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty: nothing to remove
  FileDescriptor fd_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;
  bool direct_ = false;
};

// Removes the temporary files of that directory whose writers were killed. Nobody may be writing there.
void remove_abandoned_files(const std::filesystem::path& directory);

// The whole of it in one call.
void write_file_atomically(const std::filesystem::path& target, std::string_view contents);

}  // namespace moe
