#include "engine/base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <regex>
#include <utility>

#include "engine/base/error.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBuffer = std::size_t{1} << 20;
constexpr int kAttempts = 100;

fs::path directory_of(const fs::path& target) {
  const fs::path parent = target.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

}  // namespace

AtomicFile::AtomicFile(fs::path target) : target_(std::move(target)) {
  struct stat status {};
  if (::stat(target_.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) fail("writing", EISDIR);
    direct_ = !S_ISREG(status.st_mode);
  }
  if (direct_) {
    // O_NONBLOCK: opening a pipe that nobody reads would wait for ever. Writing may wait.
    fd_ = FileDescriptor(::open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd_.is_open() || ::fcntl(fd_.get(), F_SETFL, O_WRONLY) != 0) fail("opening", errno);
  } else {
    if (target_.filename().empty()) fail("writing", EISDIR);
    static std::atomic<unsigned> serial{0};
    for (int attempt = 0; attempt < kAttempts && !fd_.is_open(); ++attempt) {
      temporary_ = directory_of(target_) /
                   fmt::format(".{}.{}-{}.tmp", target_.filename().string(), ::getpid(), serial++);
      // 0666 less the user's mask, as any new file; O_EXCL so that nobody's file or link is written through.
      fd_ = FileDescriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (!fd_.is_open() && errno != EEXIST) break;
    }
    if (!fd_.is_open()) {
      temporary_.clear();
      fail("creating", errno);
    }
  }
  buffer_.reserve(kBuffer);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)),
      buffer_(std::move(other.buffer_)),
      written_(other.written_),
      direct_(other.direct_) {}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(std::string_view action, int error) const {
  throw Error(ErrorKind::io,
              Fault{target_.string(), std::string(action), "it to succeed", system_message(error)});
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  written_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), kBuffer - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    bytes = bytes.subspan(n);
    if (buffer_.size() == kBuffer) flush();
  }
}

void AtomicFile::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t n = ::write(fd_.get(), buffer_.data() + done, buffer_.size() - done);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      fail("writing", errno);
    }
  }
  buffer_.clear();
}

void AtomicFile::close() {
  if (!fd_.is_open()) return;
  flush();
  std::vector<std::byte>().swap(buffer_);
  // Devices and pipes cannot be synchronised; for a file it is where a full or broken disk may first be told.
  if (!direct_ && ::fsync(fd_.get()) != 0) fail("flushing", errno);
  if (::close(fd_.release()) != 0) fail("closing", errno);
}

void AtomicFile::commit() {
  close();
  if (direct_ || temporary_.empty()) return;
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("renaming", errno);
  temporary_.clear();
  // The rename itself reaches the disk with its directory. The contents are safe either way, so a file system
  // that cannot do this is no failure.
  const FileDescriptor directory(::open(directory_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.is_open()) ::fsync(directory.get());
}

void remove_abandoned_files(const fs::path& directory) {
  static const std::regex ours(R"(\..+\.\d+-\d+\.tmp)");
  std::error_code code;
  std::vector<fs::path> found;
  for (fs::directory_iterator at(directory, code), end; !code && at != end; at.increment(code)) {
    if (std::regex_match(at->path().filename().string(), ours)) found.push_back(at->path());
  }
  for (const fs::path& path : found) fs::remove(path, code);
}

void write_file_atomically(const fs::path& target, std::string_view contents) {
  AtomicFile file(target);
  file.write(contents);
  file.commit();
}

}  // namespace moe
