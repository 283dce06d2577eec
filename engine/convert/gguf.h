// GGUF files (versions 2 and 3): metadata keys and tensors, every field checked before it is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/convert/ggml_types.h"

namespace moe {

enum class GgufType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

// A metadata value, as a view into the file's bytes: arrays may hold hundreds of thousands of strings, and
// most are never asked for. For a string `bytes` is its text; for an array its elements as stored, already
// walked once.
struct GgufValue {
  GgufType type = GgufType::u8;
  GgufType element = GgufType::u8;  // of an array
  std::uint64_t count = 0;          // of an array
  std::span<const std::byte> bytes;
};

struct GgufTensor {
  std::string name;
  GgmlType type = GgmlType::f32;
  std::vector<std::uint64_t>
      shape;  // slowest dimension first, as in Python (the file lists the fastest first)
  std::uint64_t elements = 0;
  std::span<const std::byte> data;
};

// Throws Error (format; unsupported for versions, byte orders and tensor types outside the list) naming the
// file, the key or tensor, what was expected and what was found. Holds views into `bytes`, which must outlive
// it. Immutable after construction, so safe to share between threads.
class GgufFile {
 public:
  // `file` is the name to put into messages.
  GgufFile(std::span<const std::byte> bytes, std::string file);

  const std::string& file() const noexcept { return file_; }
  std::uint32_t version() const noexcept { return version_; }
  std::uint64_t alignment() const noexcept { return alignment_; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const noexcept { return metadata_; }
  const std::vector<GgufTensor>& tensors() const noexcept { return tensors_; }
  // nullptr if there is none of this name.
  const GgufTensor* tensor(std::string_view name) const noexcept;
  bool has(std::string_view key) const noexcept { return metadata_.find(key) != metadata_.end(); }

  // Values by key: nothing if the key is absent; Error (config) if it is there with another type, or a number
  // that does not fit. Any integer type is an integer; f32 and f64 are reals.
  std::optional<std::uint64_t> integer(std::string_view key) const;
  std::optional<double> real(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  // Views into the file's bytes, valid as long as they are.
  std::optional<std::vector<std::string_view>> strings(std::string_view key) const;
  std::optional<std::vector<float>> reals(std::string_view key) const;
  // Booleans count as 0 and 1.
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;

  // The same for a key that must be there.
  std::uint64_t require_integer(std::string_view key) const;
  std::string require_string(std::string_view key) const;

 private:
  const GgufValue* find(std::string_view key) const noexcept;
  [[noreturn]] void wrong_type(std::string_view key, std::string_view expected, const GgufValue& value) const;
  [[noreturn]] void missing(std::string_view key, std::string_view expected) const;

  std::string file_;
  std::uint32_t version_ = 0;
  std::uint64_t alignment_ = 32;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> tensor_index_;
};

}  // namespace moe
