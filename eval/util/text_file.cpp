// Whole text files, plain or gzip, within a bound.
#include "eval/util/text_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "engine/base/error.h"

namespace moe::eval {
namespace {

[[noreturn]] void io_fault(const std::string& path, const std::string& expected, const std::string& found) {
  throw Error(ErrorKind::io, Fault{path, "", expected, found});
}

struct GzClose {
  void operator()(gzFile file) const { gzclose(file); }
};

}  // namespace

std::string read_text_file(const std::string& path, std::size_t most) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) io_fault(path, "a readable file", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) io_fault(path, "a regular file", "something else");
  std::unique_ptr<gzFile_s, GzClose> file(gzopen(path.c_str(), "rb"));
  if (!file) io_fault(path, "a readable file", std::strerror(errno));
  std::string text;
  std::string chunk(1 << 18, '\0');
  for (;;) {
    const int got = gzread(file.get(), chunk.data(), static_cast<unsigned>(chunk.size()));
    int code = Z_OK;
    const char* message = gzerror(file.get(), &code);
    // A stream that ends early is reported only as Z_BUF_ERROR beside the bytes there were.
    if (got < 0 || code == Z_BUF_ERROR) {
      throw Error(ErrorKind::format, Fault{path, "", "a whole gzip or plain file",
                                           code == Z_BUF_ERROR ? "a gzip stream that ends early" : message});
    }
    if (got == 0) break;
    if (text.size() + static_cast<std::size_t>(got) > most) {
      throw Error(ErrorKind::limit, Fault{path, "", fmt::format("at most {} bytes of text", most), "more"});
    }
    text.append(chunk, 0, static_cast<std::size_t>(got));
  }
  return text;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace moe::eval
