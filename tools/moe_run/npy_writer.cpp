#include "tools/moe_run/npy_writer.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "engine/base/error.h"
#include "engine/base/files.h"

namespace moe::tools {

NpyWriter::NpyWriter(std::filesystem::path path, std::int64_t columns)
    : path_(std::move(path)), temporary_(path_), columns_(columns) {
  std::error_code ignored;
  // A device or a pipe is written as it is: the rename would put a file in its place.
  direct_ = std::filesystem::exists(path_, ignored) && !std::filesystem::is_regular_file(path_, ignored);
  if (!direct_) temporary_ += ".partial";
  file_ = std::fopen(temporary_.c_str(), "wb");
  if (file_ == nullptr) fail("a file that can be made");
  write_header();
}

NpyWriter::~NpyWriter() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  remove_temporary();
}

void NpyWriter::remove_temporary() const {
  std::error_code ignored;
  if (!direct_) std::filesystem::remove(temporary_, ignored);
}

void NpyWriter::fail(const char* expected) const {
  throw Error(ErrorKind::io, Fault{path_.string(), "logits", expected, system_message(errno)});
}

// 128 bytes whatever the number of rows, so that it can be written again at the end.
void NpyWriter::write_header() {
  std::string dictionary = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows_, columns_);
  dictionary.resize(117, ' ');
  dictionary += '\n';
  const std::string header = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + dictionary;
  if (std::fwrite(header.data(), 1, header.size(), file_) != header.size()) fail("room for all of them");
}

void NpyWriter::append(std::span<const float> rows) {
  if (std::fwrite(rows.data(), sizeof(float), rows.size(), file_) != rows.size()) fail("room for all of them");
  rows_ += std::int64_t(rows.size()) / columns_;
}

void NpyWriter::finish() {
  if (std::fseek(file_, 0, SEEK_SET) != 0) fail("room for all of them");
  write_header();
  std::FILE* file = file_;
  file_ = nullptr;
  if (std::fclose(file) != 0) {
    const int error = errno;
    remove_temporary();
    errno = error;
    fail("room for all of them");
  }
  if (direct_) return;
  std::error_code error;
  std::filesystem::rename(temporary_, path_, error);
  if (!error) return;
  remove_temporary();
  throw Error(ErrorKind::io, Fault{path_.string(), "logits", "a file that can be replaced", error.message()});
}

}  // namespace moe::tools
