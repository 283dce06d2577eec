// Builders of small inputs for the conversion tests, and a folder that goes away.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/convert/model_image.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace moe::testing {

inline std::filesystem::path data_folder() {
  return test::fixture("engine/convert/data");
}

using test::TempDir;

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Little-endian bytes, appended.
class Bytes {
 public:
  template <typename T>
  Bytes& number(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& u32(std::uint64_t value) { return number(static_cast<std::uint32_t>(value)); }
  Bytes& u64(std::uint64_t value) { return number(value); }
  Bytes& f32(float value) { return number(value); }
  Bytes& raw(const std::string& text) {
    text_ += text;
    return *this;
  }
  // A length of 64 bits and the text, as GGUF writes strings.
  Bytes& string(const std::string& text) { return u64(text.size()).raw(text); }
  Bytes& zeros(std::size_t count) {
    text_.append(count, '\0');
    return *this;
  }
  Bytes& align(std::size_t alignment) { return zeros((alignment - text_.size() % alignment) % alignment); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::vector<float> all_values(const ImageTensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  tensor.read(0, tensor.rows(), out.data());
  return out;
}

// Runs `action`, which must throw an Error whose text holds every one of `parts`.
template <typename Action>
void expect_error(ErrorKind kind, const std::vector<std::string>& parts, Action action) {
  try {
    action();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(error.kind(), kind) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    for (const std::string& part : parts)
      EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
  }
}

}  // namespace moe::testing
