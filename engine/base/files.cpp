#include "engine/base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "engine/base/error.h"

namespace moe {
namespace {

std::string kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "something else";
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

int FileDescriptor::release() noexcept { return std::exchange(fd_, -1); }

std::string system_message(int error) { return std::generic_category().message(error); }

bool is_present(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(path, error);
  if (status.type() == std::filesystem::file_type::none) {
    throw Error(ErrorKind::io, Fault{path.string(), "", "a file that can be looked up", error.message()});
  }
  return std::filesystem::exists(status);
}

OpenedFile open_for_reading(const std::filesystem::path& path) {
  OpenedFile file;
  // O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
  file.fd = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file.fd.is_open() || ::fstat(file.fd.get(), &status) != 0) {
    throw Error(ErrorKind::io, Fault{path.string(), "", "a file that can be read", system_message(errno)});
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::io, Fault{path.string(), "", "a regular file", kind_of(status.st_mode)});
  }
  file.size = static_cast<std::uint64_t>(status.st_size);
  const auto nanoseconds = [](const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  file.mtime_ns = nanoseconds(status.st_mtim);
  file.ctime_ns = nanoseconds(status.st_ctim);
  return file;
}

void read_exactly(const FileDescriptor& fd, std::uint64_t offset, std::span<std::byte> out,
                  const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(fd.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n == 0) {
      throw Error(ErrorKind::io,
                  Fault{path.string(), "", fmt::format("at least {} bytes", offset + out.size()),
                        fmt::format("the end of the file after {} bytes", offset + done)});
    } else if (errno != EINTR) {
      throw Error(ErrorKind::io, Fault{path.string(), fmt::format("reading at byte {}", offset + done),
                                       "bytes", system_message(errno)});
    }
  }
}

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const OpenedFile file = open_for_reading(path);
  if (file.size > max_bytes) {
    throw Error(ErrorKind::limit,
                Fault{path.string(), "file size", fmt::format("at most {} bytes", max_bytes),
                      fmt::format("{} bytes", file.size)});
  }
  std::string text(static_cast<std::size_t>(file.size), '\0');
  read_exactly(file.fd, 0, std::as_writable_bytes(std::span(text)), path);
  return text;
}

}  // namespace moe
