// The record of a run: one JSON object a line, appended and flushed to disk item by item, so that whatever stops a
// run, what was finished stays finished.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace moe::eval {

// An open journal holds a lock: a second process that opens the same file gets an Error (usage). Not thread-safe.
class Journal {
 public:
  // Opens or creates the file and calls `visit` for each line there is, with its number from 1. A last line without
  // its end (a crash while it was written) is cut off. Errors: io (cannot be opened, locked by another process),
  // and whatever `visit` throws.
  Journal(std::string path, const std::function<void(std::string_view line, std::size_t number)>& visit);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Appends one line and flushes it to disk. On failure (a full disk) what was written of it is taken back, so
  // that the journal stays whole, and Error (io) says why; the object may be used again.
  void append(std::string_view line);

  const std::string& path() const { return path_; }
  // Bytes of an unfinished last line that opening cut off.
  std::size_t dropped_bytes() const { return dropped_; }

 private:
  std::string path_;
  int fd_ = -1;
  std::size_t size_ = 0;
  std::size_t dropped_ = 0;
};

}  // namespace moe::eval
