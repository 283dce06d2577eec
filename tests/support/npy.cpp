#include "tests/support/npy.h"

#include <bit>
#include <cctype>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace moe::test {

static_assert(std::endian::native == std::endian::little);

NpyArray read_npy(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& what) -> std::runtime_error { return std::runtime_error(path.string() + ": " + what); };
  std::ifstream file(path, std::ios::binary);
  if (!file) throw fail("cannot be opened");
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY\x01", 7) != 0) throw fail("not a NumPy 1.x file");
  const std::size_t header_size = std::uint8_t(bytes[8]) | std::size_t(std::uint8_t(bytes[9])) << 8;
  if (bytes.size() < 10 + header_size) throw fail("cut off in its header");
  const std::string header = bytes.substr(10, header_size);
  if (header.find("'<f4'") == std::string::npos) throw fail("not of little-endian float32");
  if (header.find("'fortran_order': False") == std::string::npos) throw fail("not in C order");
  const std::size_t open = header.find("'shape': (");
  const std::size_t close = header.find(')', open);
  if (open == std::string::npos || close == std::string::npos) throw fail("has no shape");

  NpyArray array;
  std::int64_t count = 1;
  for (std::size_t at = open + 10; at < close;) {
    if (std::isdigit(static_cast<unsigned char>(header[at])) == 0) {
      ++at;
      continue;
    }
    std::size_t used = 0;
    array.shape.push_back(std::stoll(header.substr(at, close - at), &used));
    count *= array.shape.back();
    at += used;
  }
  const std::size_t start = 10 + header_size;
  if (bytes.size() - start != std::size_t(count) * sizeof(float)) throw fail("its data do not fit its shape");
  array.values.resize(std::size_t(count));
  std::memcpy(array.values.data(), bytes.data() + start, bytes.size() - start);
  return array;
}

}  // namespace moe::test
