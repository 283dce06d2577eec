// Parsing of GGUF headers. Layout: magic, version, counts; key-value pairs; tensor descriptions; padding;
// data.
#include "engine/convert/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "engine/base/error.h"

namespace moe {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in the file");

constexpr std::uint64_t kLongestKey = 65535;  // the format's own limit
constexpr std::uint64_t kLongestName = 1024;  // the format says 64; some writers go a little beyond
constexpr int kDeepestArray = 8;
constexpr std::uint64_t kLargestAlignment = 1u << 20;
constexpr std::uint32_t kMostDimensions = 4;

constexpr std::array<std::string_view, 13> kTypeNames = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "boolean", "string", "array", "u64", "i64", "f64"};
constexpr std::array<std::uint64_t, 13> kTypeSizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

std::string_view type_name(GgufType type) { return kTypeNames[static_cast<std::size_t>(type)]; }
// Bytes of a scalar; the fewest bytes that a string (its length) or an array (type and count) can take.
std::uint64_t least_size(GgufType type) {
  if (type == GgufType::string) return 8;
  if (type == GgufType::array) return 12;
  return kTypeSizes[static_cast<std::size_t>(type)];
}

// A cursor that never leaves the file. `thing` is what the reader is at, for messages.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t left() const { return bytes_.size() - position_; }

  template <typename T>
  T number(std::string_view thing) {
    T value;
    std::memcpy(&value, take(sizeof(T), thing).data(), sizeof(T));
    return value;
  }

  std::span<const std::byte> take(std::uint64_t size, std::string_view thing) {
    if (size > left()) {
      fail(thing, fmt::format("{} bytes at offset {}", size, position_),
           fmt::format("{} bytes left in the file", left()));
    }
    const auto out = bytes_.subspan(position_, size);
    position_ += size;
    return out;
  }

  std::string text(std::uint64_t longest, std::string_view thing) {
    const auto length = number<std::uint64_t>(thing);
    if (length > longest)
      fail(thing, fmt::format("a name of at most {} bytes", longest), fmt::format("{} bytes", length));
    const auto raw = take(length, thing);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }

  GgufType type(std::string_view thing) {
    const auto value = number<std::uint32_t>(thing);
    if (value >= kTypeNames.size()) fail(thing, "a value type from 0 to 12", std::to_string(value));
    return static_cast<GgufType>(value);
  }

  [[noreturn]] void fail(std::string_view thing, std::string expected, std::string found) const {
    throw Error(ErrorKind::format, Fault{file_, std::string(thing), std::move(expected), std::move(found)});
  }

  std::span<const std::byte> since(std::uint64_t start) const {
    return bytes_.subspan(start, position_ - start);
  }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t position_ = 0;
  const std::string& file_;
};

void walk_array(Cursor& cursor, GgufValue& value, int depth, const std::string& thing);

GgufValue read_value(Cursor& cursor, GgufType type, int depth, const std::string& thing) {
  GgufValue value;
  value.type = type;
  if (type == GgufType::string) {
    const auto length = cursor.number<std::uint64_t>(thing);
    value.bytes = cursor.take(length, thing);
  } else if (type == GgufType::array) {
    walk_array(cursor, value, depth + 1, thing);
  } else {
    value.bytes = cursor.take(least_size(type), thing);
    if (type == GgufType::boolean && std::to_integer<int>(value.bytes[0]) > 1) {
      cursor.fail(thing, "a boolean byte of 0 or 1", std::to_string(std::to_integer<int>(value.bytes[0])));
    }
  }
  return value;
}

void walk_array(Cursor& cursor, GgufValue& value, int depth, const std::string& thing) {
  if (depth > kDeepestArray) {
    cursor.fail(thing, fmt::format("arrays nested at most {} deep", kDeepestArray), "a deeper one");
  }
  value.element = cursor.type(thing);
  value.count = cursor.number<std::uint64_t>(thing);
  // The count is compared with what the file can hold before anything is done so many times.
  if (value.count > cursor.left() / least_size(value.element)) {
    cursor.fail(thing, fmt::format("{} elements of {}", value.count, type_name(value.element)),
                fmt::format("{} bytes left in the file", cursor.left()));
  }
  const std::uint64_t start = cursor.position();
  if (value.element == GgufType::string || value.element == GgufType::array ||
      value.element == GgufType::boolean) {
    for (std::uint64_t i = 0; i < value.count; ++i) read_value(cursor, value.element, depth, thing);
  } else {
    cursor.take(value.count * least_size(value.element), thing);
  }
  value.bytes = cursor.since(start);
}

// What a tensor's description says, before its data is known to lie inside the file.
struct Described {
  GgufTensor tensor;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

Described read_description(Cursor& cursor, std::uint64_t index, const std::string& file) {
  Described out;
  std::string thing = fmt::format("description of tensor {}", index);
  out.tensor.name = cursor.text(kLongestName, thing);
  if (out.tensor.name.empty()) cursor.fail(thing, "a name", "none");
  thing = fmt::format("tensor '{}'", out.tensor.name);
  const auto dimensions = cursor.number<std::uint32_t>(thing);
  if (dimensions == 0 || dimensions > kMostDimensions) {
    cursor.fail(thing, fmt::format("1 to {} dimensions", kMostDimensions), std::to_string(dimensions));
  }
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto size = cursor.number<std::uint64_t>(thing);
    // 2^56 elements are beyond any file, and leave room for the multiplication by bytes below.
    if (size == 0 || elements > (std::uint64_t{1} << 56) / size) {
      cursor.fail(thing, "dimensions whose product is above 0 and below 2^56",
                  fmt::format("a dimension of {} after a product of {}", size, elements));
    }
    elements *= size;
    out.tensor.shape.insert(out.tensor.shape.begin(), size);
  }
  out.tensor.elements = elements;
  const auto type = cursor.number<std::uint32_t>(thing);
  const auto known = ggml_type_from_number(type);
  if (!known) {
    throw Error(ErrorKind::unsupported,
                Fault{file, thing, "a type among " + supported_ggml_types(), ggml_type_name(type)});
  }
  out.tensor.type = *known;
  const std::size_t block = block_elements(*known);
  if (out.tensor.shape.back() % block != 0) {
    cursor.fail(thing, fmt::format("rows of a multiple of {} elements for {}", block, name(*known)),
                fmt::format("rows of {}", out.tensor.shape.back()));
  }
  out.bytes = elements / block * block_bytes(*known);
  out.offset = cursor.number<std::uint64_t>(thing);
  return out;
}

void check_overlap(const std::vector<Described>& described, const Cursor& cursor) {
  std::vector<const Described*> sorted;
  sorted.reserve(described.size());
  for (const Described& entry : described) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(),
            [](const Described* a, const Described* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const Described& before = *sorted[i - 1];
    if (sorted[i]->offset < before.offset + before.bytes) {
      cursor.fail(fmt::format("tensor '{}'", sorted[i]->tensor.name),
                  fmt::format("data after that of '{}', which ends at {}", before.tensor.name,
                              before.offset + before.bytes),
                  fmt::format("offset {}", sorted[i]->offset));
    }
  }
}

template <typename T>
T scalar(std::span<const std::byte> bytes, std::uint64_t index = 0) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

// The integer at `index` of `bytes`, if the type is an integer one and the value fits 64 signed bits.
std::optional<std::int64_t> integer_at(GgufType type, std::span<const std::byte> bytes, std::uint64_t index) {
  switch (type) {
    case GgufType::u8:
      return scalar<std::uint8_t>(bytes, index);
    case GgufType::i8:
      return scalar<std::int8_t>(bytes, index);
    case GgufType::u16:
      return scalar<std::uint16_t>(bytes, index);
    case GgufType::i16:
      return scalar<std::int16_t>(bytes, index);
    case GgufType::u32:
      return scalar<std::uint32_t>(bytes, index);
    case GgufType::i32:
      return scalar<std::int32_t>(bytes, index);
    case GgufType::i64:
      return scalar<std::int64_t>(bytes, index);
    case GgufType::boolean:
      return scalar<std::uint8_t>(bytes, index);
    case GgufType::u64: {
      const auto value = scalar<std::uint64_t>(bytes, index);
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
      return static_cast<std::int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

GgufFile::GgufFile(std::span<const std::byte> bytes, std::string file) : file_(std::move(file)) {
  Cursor cursor(bytes, file_);
  const auto magic = cursor.take(4, "magic number");
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) {
    cursor.fail(
        "magic number", "'GGUF'",
        fmt::format("'{}'", std::string_view(reinterpret_cast<const char*>(magic.data()), magic.size())));
  }
  version_ = cursor.number<std::uint32_t>("version");
  if (version_ != 2 && version_ != 3) {
    const bool big_endian = (version_ & 0xffffu) == 0;
    throw Error(ErrorKind::unsupported, Fault{file_, "version", "2 or 3",
                                              big_endian ? "a big-endian file" : std::to_string(version_)});
  }
  const auto tensor_count = cursor.number<std::uint64_t>("tensor count");
  const auto key_count = cursor.number<std::uint64_t>("key count");
  // The shortest key takes 13 bytes and the shortest description 32: a count beyond the file is a lie.
  if (key_count > cursor.left() / 13) {
    cursor.fail("key count", "a count that fits the file",
                fmt::format("{} keys in {} bytes", key_count, cursor.left()));
  }
  if (tensor_count > cursor.left() / 32) {
    cursor.fail("tensor count", "a count that fits the file",
                fmt::format("{} tensors in {} bytes", tensor_count, cursor.left()));
  }
  for (std::uint64_t i = 0; i < key_count; ++i) {
    const std::string key = cursor.text(kLongestKey, fmt::format("key {}", i));
    const std::string thing = fmt::format("key '{}'", key);
    if (key.empty()) cursor.fail(fmt::format("key {}", i), "a name", "none");
    const GgufValue value = read_value(cursor, cursor.type(thing), 0, thing);
    if (!metadata_.emplace(key, value).second) cursor.fail(thing, "each key once", "it twice");
  }
  if (const auto alignment = integer("general.alignment")) {
    if (*alignment == 0 || *alignment > kLargestAlignment || !std::has_single_bit(*alignment)) {
      cursor.fail("key 'general.alignment'", "a power of two up to 2^20", std::to_string(*alignment));
    }
    alignment_ = *alignment;
  }
  std::vector<Described> described;
  described.reserve(tensor_count);
  for (std::uint64_t i = 0; i < tensor_count; ++i) described.push_back(read_description(cursor, i, file_));
  const std::uint64_t data_start = (cursor.position() + alignment_ - 1) / alignment_ * alignment_;
  const std::uint64_t data_size = data_start <= bytes.size() ? bytes.size() - data_start : 0;
  for (Described& entry : described) {
    const std::string thing = fmt::format("tensor '{}'", entry.tensor.name);
    if (entry.offset % alignment_ != 0) {
      cursor.fail(thing, fmt::format("an offset that is a multiple of {}", alignment_),
                  std::to_string(entry.offset));
    }
    if (entry.offset > data_size || entry.bytes > data_size - entry.offset) {
      cursor.fail(thing, fmt::format("{} bytes at offset {} of the data", entry.bytes, entry.offset),
                  fmt::format("data of {} bytes", data_size));
    }
    entry.tensor.data = bytes.subspan(data_start + entry.offset, entry.bytes);
  }
  check_overlap(described, cursor);
  tensors_.reserve(described.size());
  for (Described& entry : described) {
    if (!tensor_index_.emplace(entry.tensor.name, tensors_.size()).second) {
      cursor.fail(fmt::format("tensor '{}'", entry.tensor.name), "each tensor once", "it twice");
    }
    tensors_.push_back(std::move(entry.tensor));
  }
}

const GgufTensor* GgufFile::tensor(std::string_view name) const noexcept {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

const GgufValue* GgufFile::find(std::string_view key) const noexcept {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

void GgufFile::wrong_type(std::string_view key, std::string_view expected, const GgufValue& value) const {
  std::string found(type_name(value.type));
  if (value.type == GgufType::array) found = fmt::format("an array of {}", type_name(value.element));
  throw Error(ErrorKind::config, Fault{file_, fmt::format("key '{}'", key), std::string(expected), found});
}

void GgufFile::missing(std::string_view key, std::string_view expected) const {
  throw Error(ErrorKind::config,
              Fault{file_, fmt::format("key '{}'", key), std::string(expected), "no such key"});
}

std::optional<std::uint64_t> GgufFile::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto number =
      value->type == GgufType::boolean ? std::nullopt : integer_at(value->type, value->bytes, 0);
  if (!number || *number < 0) wrong_type(key, "an integer of at least 0", *value);
  return static_cast<std::uint64_t>(*number);
}

std::optional<double> GgufFile::real(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type == GgufType::f32) return scalar<float>(value->bytes);
  if (value->type == GgufType::f64) return scalar<double>(value->bytes);
  wrong_type(key, "a floating-point number", *value);
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::boolean) wrong_type(key, "a boolean", *value);
  return value->bytes[0] != std::byte{0};
}

std::optional<std::string> GgufFile::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::string) wrong_type(key, "a string", *value);
  return std::string(reinterpret_cast<const char*>(value->bytes.data()), value->bytes.size());
}

std::optional<std::vector<std::string_view>> GgufFile::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::array || value->element != GgufType::string)
    wrong_type(key, "an array of strings", *value);
  std::vector<std::string_view> out;
  out.reserve(value->count);
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const auto length = scalar<std::uint64_t>(value->bytes.subspan(at));
    out.emplace_back(reinterpret_cast<const char*>(value->bytes.data()) + at + 8, length);
    at += 8 + length;
  }
  return out;
}

std::optional<std::vector<float>> GgufFile::reals(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::array || value->element != GgufType::f32)
    wrong_type(key, "an array of f32", *value);
  std::vector<float> out(value->count);
  if (value->count != 0) std::memcpy(out.data(), value->bytes.data(), value->count * sizeof(float));
  return out;
}

std::optional<std::vector<std::int64_t>> GgufFile::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::array) wrong_type(key, "an array of integers", *value);
  std::vector<std::int64_t> out;
  out.reserve(value->count);
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const auto number = integer_at(value->element, value->bytes, i);
    if (!number) wrong_type(key, "an array of integers", *value);
    out.push_back(*number);
  }
  return out;
}

std::uint64_t GgufFile::require_integer(std::string_view key) const {
  if (const auto value = integer(key)) return *value;
  missing(key, "an integer");
}

std::string GgufFile::require_string(std::string_view key) const {
  if (auto value = string(key)) return *value;
  missing(key, "a string");
}

}  // namespace moe
