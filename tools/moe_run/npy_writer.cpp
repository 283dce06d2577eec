#include "tools/moe_run/npy_writer.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "engine/base/error.h"
#include "engine/base/files.h"

namespace moe::tools {

NpyWriter::NpyWriter(std::filesystem::path path, std::int64_t columns)
    : path_(std::move(path)), temporary_(path_), columns_(columns) {
  temporary_ += ".partial";
  file_ = std::fopen(temporary_.c_str(), "wb");
  if (file_ == nullptr) fail("cannot be created");
  write_header();
}

NpyWriter::~NpyWriter() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void NpyWriter::fail(const char* doing) const {
  throw Error(ErrorKind::io, Fault{path_.string(), doing, "", system_message(errno)});
}

// 128 bytes whatever the number of rows, so that it can be written again at the end.
void NpyWriter::write_header() {
  std::string dictionary = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows_, columns_);
  dictionary.resize(117, ' ');
  dictionary += '\n';
  const std::string header = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + dictionary;
  if (std::fwrite(header.data(), 1, header.size(), file_) != header.size()) fail("cannot be written");
}

void NpyWriter::append(std::span<const float> rows) {
  if (std::fwrite(rows.data(), sizeof(float), rows.size(), file_) != rows.size()) fail("cannot be written");
  rows_ += std::int64_t(rows.size()) / columns_;
}

void NpyWriter::finish() {
  if (std::fseek(file_, 0, SEEK_SET) != 0) fail("cannot be written");
  write_header();
  std::FILE* file = file_;
  file_ = nullptr;
  if (std::fclose(file) != 0) {
    const int error = errno;
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
    errno = error;
    fail("cannot be written");
  }
  std::error_code error;
  std::filesystem::rename(temporary_, path_, error);
  if (error) throw Error(ErrorKind::io, Fault{path_.string(), "cannot be written", "", error.message()});
}

}  // namespace moe::tools
