// Opening and reading ordinary files whose contents and kind are not trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace moe {

// An open file descriptor; closed when it goes out of scope.
class FileDescriptor {
 public:
  FileDescriptor() noexcept = default;
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  int get() const noexcept { return fd_; }
  bool is_open() const noexcept { return fd_ >= 0; }
  int release() noexcept;

 private:
  int fd_ = -1;
};

struct OpenedFile {
  FileDescriptor fd;
  std::uint64_t size = 0;     // bytes, when it was opened
  std::int64_t mtime_ns = 0;  // last change of its contents as files show it, nanoseconds since the epoch
  std::int64_t ctime_ns = 0;  // last change of anything about it, which no program can set
};

// Whether there is something of that name, be it a link to nothing: what is there and cannot be read is an error, not absent.
// An error (io) if the system does not tell.
bool is_present(const std::filesystem::path& path);

// Opens a regular file for reading. Directories, pipes, devices and files that cannot be opened are errors
// (io) that name the path; it never blocks on a pipe.
OpenedFile open_for_reading(const std::filesystem::path& path);

// Reads exactly `out.size()` bytes from `offset`. An error (io) if the file ends before, or cannot be read.
void read_exactly(const FileDescriptor& fd, std::uint64_t offset, std::span<std::byte> out,
                  const std::filesystem::path& path);

// The whole of a regular file. An error (io) if it cannot be read, (limit) if it is larger than `max_bytes`.
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes);

// What errno says, in words: "No such file or directory". Thread-safe.
std::string system_message(int error);

}  // namespace moe
