// Writes a float32 matrix to a NumPy 1.0 file row by row; the number of rows is known at the end.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>

namespace moe::tools {

class NpyWriter {
 public:
  // Errors (io) name the file; an unfinished file is removed. What exists and is no regular file (a device, a pipe)
  // is written directly.
  NpyWriter(std::filesystem::path path, std::int64_t columns);
  ~NpyWriter();
  NpyWriter(const NpyWriter&) = delete;
  NpyWriter& operator=(const NpyWriter&) = delete;

  void append(std::span<const float> rows);  // a multiple of `columns` floats
  void finish();

 private:
  void write_header();
  [[noreturn]] void fail(const char* expected) const;
  void remove_temporary() const;

  std::filesystem::path path_, temporary_;
  std::FILE* file_ = nullptr;
  std::int64_t columns_, rows_ = 0;
  bool direct_ = false;
};

}  // namespace moe::tools
