// The record of a run: append-only lines, flushed by a thread behind the writer.
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
    read(visit);
    flusher_ = std::thread([this] { flush_behind(); });
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Journal::~Journal() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  flusher_.join();
  ::close(fd_);
}

void Journal::read(const std::function<void(std::string_view, std::size_t)>& visit) {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) fail(path_, "a readable file", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(path_, "a regular file", "something else");
  // The lock belongs to the open file and goes with the process, however it ends.
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    fail(path_, "no other run that writes here",
         errno == EWOULDBLOCK ? "another process has it open" : std::strerror(errno));
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
}

void Journal::append(std::string_view line) {
  check_flushed();
  const std::string text = std::string(line) + '\n';
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = ::write(fd_, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const int error = errno;
      const bool restored = ::ftruncate(fd_, static_cast<off_t>(size_)) == 0;
      fail(path_, "a record written to disk",
           fmt::format("{}{}", std::strerror(error), restored ? "; all records before it are kept" : ""));
    }
    done += static_cast<std::size_t>(wrote);
  }
  size_ += text.size();
  {
    const std::lock_guard lock(mutex_);
    ++written_;
  }
  changed_.notify_all();
}

void Journal::flush() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return flushed_ == written_ || flush_error_ != 0; });
  }
  check_flushed();
}

void Journal::check_flushed() {
  const std::lock_guard lock(mutex_);
  if (flush_error_ != 0) fail(path_, "records flushed to disk", std::strerror(flush_error_));
}

// One flush covers whatever was appended before it began: as many records as came while the one before it
// ran.
void Journal::flush_behind() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return flushed_ < written_ || closing_; });
    if (flushed_ == written_ || flush_error_ != 0) return;
    const std::size_t covered = written_;
    lock.unlock();
    const int error = ::fdatasync(fd_) == 0 ? 0 : errno;
    lock.lock();
    flushed_ = covered;
    flush_error_ = error;
    changed_.notify_all();
    if (error != 0) return;
  }
}

}  // namespace moe::eval
