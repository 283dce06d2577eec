// The record of a run: append-only lines, flushed one by one.
#include "eval/journal/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/base/error.h"

namespace moe::eval {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& expected, const std::string& found) {
  throw Error(ErrorKind::io, Fault{path, "journal", expected, found});
}

}  // namespace

Journal::Journal(std::string path, const std::function<void(std::string_view, std::size_t)>& visit)
    : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(path_, "a file that can be written", std::strerror(errno));
  try {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) fail(path_, "a readable file", std::strerror(errno));
    if (!S_ISREG(status.st_mode)) fail(path_, "a regular file", "something else");
    // The lock belongs to the open file and goes with the process, however it ends.
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      fail(path_, "no other run that writes here", errno == EWOULDBLOCK ? "another process has it open" : std::strerror(errno));
    }
    std::string text;
    std::string chunk(1 << 18, '\0');
    for (;;) {
      const ssize_t got = ::pread(fd_, chunk.data(), chunk.size(), static_cast<off_t>(text.size()));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail(path_, "a readable file", std::strerror(errno));
      if (got == 0) break;
      text.append(chunk, 0, static_cast<std::size_t>(got));
    }
    size_ = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
    dropped_ = text.size() - size_;
    std::size_t number = 0;
    for (std::size_t at = 0; at < size_;) {
      const std::size_t end = text.find('\n', at);
      visit(std::string_view(text).substr(at, end - at), ++number);
      at = end + 1;
    }
    // Only after all lines were accepted, so that a file that is no journal is left as it was.
    if (dropped_ > 0 && ::ftruncate(fd_, static_cast<off_t>(size_)) != 0) {
      fail(path_, "an unfinished last line cut off", std::strerror(errno));
    }
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Journal::~Journal() { ::close(fd_); }

void Journal::append(std::string_view line) {
  const std::string text = std::string(line) + '\n';
  std::size_t done = 0;
  int error = 0;
  while (done < text.size() && error == 0) {
    const ssize_t wrote = ::write(fd_, text.data() + done, text.size() - done);
    if (wrote >= 0) {
      done += static_cast<std::size_t>(wrote);
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0 && ::fdatasync(fd_) != 0) error = errno;
  if (error != 0) {
    const bool restored = ::ftruncate(fd_, static_cast<off_t>(size_)) == 0;
    fail(path_, "a record written to disk",
         fmt::format("{}{}", std::strerror(error), restored ? "; all records before it are kept" : ""));
  }
  size_ += text.size();
}

}  // namespace moe::eval
