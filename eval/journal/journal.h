// The record of a run: one JSON object a line, appended item by item, so that whatever stops a run, what was
// finished stays finished.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace moe::eval {

// An open journal holds a lock: a second process that opens the same file gets an Error (io). A line is
// handed to the system when append() returns (the end of this process cannot lose it), and a thread of the
// journal flushes to disk at once and all the time, so that work never waits for a disk. Not thread-safe.
class Journal {
 public:
  // Opens or creates the file and calls `visit` for each line there is, with its number from 1. A last line
  // without its end (a crash while it was written) is cut off. Errors: io (cannot be opened, locked by
  // another process), and whatever `visit` throws.
  Journal(std::string path, const std::function<void(std::string_view line, std::size_t number)>& visit);
  // Flushes; a fault is lost here, so call flush() first where it matters.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Appends one line. On failure (a full disk) what was written of it is taken back, so that the journal
  // stays whole, and Error (io) says why; the object may be used again. Also reports that an earlier line
  // could not be flushed.
  void append(std::string_view line);
  // Returns once every line is on disk. Throws Error (io).
  void flush();

  const std::string& path() const { return path_; }
  // Bytes of an unfinished last line that opening cut off.
  std::size_t dropped_bytes() const { return dropped_; }

 private:
  void read(const std::function<void(std::string_view, std::size_t)>& visit);
  void flush_behind();
  void check_flushed();

  std::string path_;
  int fd_ = -1;
  std::size_t size_ = 0;
  std::size_t dropped_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t written_ = 0, flushed_ = 0;  // counts of append()
  int flush_error_ = 0;
  bool closing_ = false;
  std::thread flusher_;
};

}  // namespace moe::eval
