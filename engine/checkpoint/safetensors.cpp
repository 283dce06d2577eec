#include "engine/checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <unordered_set>

#include "engine/base/error.h"
#include "engine/base/json_reader.h"

namespace moe {
namespace {

constexpr std::size_t kLengthField = 8;
constexpr std::string_view kMetadata = "__metadata__";
// A tensor's entry is an object that holds arrays: three levels.
constexpr std::size_t kHeaderDepth = 3;
// Element types of the format that have no counterpart here: complex, below one byte, or other 8-bit floats.
constexpr std::array<std::string_view, 7> kForeignTypes{"C64",     "F4",          "F6_E2M3",    "F6_E3M2",
                                                        "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"};

struct Entry {
  Tensor tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class HeaderParser {
 public:
  HeaderParser(std::string_view json, std::string_view file, std::uint64_t data_bytes)
      : reader_(json, file, limits()), file_(file), data_bytes_(data_bytes) {}

  void parse(std::vector<Entry>& entries, std::map<std::string, std::string>& metadata) {
    reader_.expect(JsonEvent::begin_object, "safetensors header");
    bool seen_metadata = false;
    std::unordered_set<std::string> names;
    for (JsonEvent event = reader_.next(); event == JsonEvent::key; event = reader_.next()) {
      if (reader_.string() == kMetadata) {
        if (seen_metadata) fail(std::string(kMetadata), "one entry", "a second one");
        seen_metadata = true;
        parse_metadata(metadata);
        continue;
      }
      Entry& entry = entries.emplace_back();
      entry.tensor.name = reader_.string();
      if (!names.insert(entry.tensor.name).second)
        fail(thing(entry), "one entry", "a second one of the same name");
      parse_entry(entry);
    }
    if (reader_.next() != JsonEvent::end) fail("safetensors header", "the end of the header", "more JSON");
  }

 private:
  static JsonLimits limits() {
    JsonLimits limits;
    limits.bytes = kMaxSafetensorsHeader;
    limits.depth = kHeaderDepth;
    limits.values = std::numeric_limits<std::size_t>::max();  // what is stored is bounded by the bytes
    return limits;
  }

  static std::string thing(const Entry& entry) { return fmt::format("tensor \"{}\"", entry.tensor.name); }

  [[noreturn]] void fail(std::string what, std::string expected, std::string found,
                         ErrorKind kind = ErrorKind::format) const {
    throw Error(kind, Fault{file_, std::move(what), std::move(expected), std::move(found)});
  }

  std::string found(JsonEvent event) const {
    switch (event) {
      case JsonEvent::string:
        return fmt::format("\"{}\"", reader_.string());
      case JsonEvent::unsigned_integer:
        return std::to_string(reader_.unsigned_integer());
      case JsonEvent::negative_integer:
        return fmt::format("{}", reader_.negative_integer());
      case JsonEvent::number:
        return fmt::format("{}", reader_.number());
      default:
        return std::string(describe(event));
    }
  }

  void parse_metadata(std::map<std::string, std::string>& metadata) {
    if (const JsonEvent event = reader_.next(); event != JsonEvent::begin_object) {
      fail(std::string(kMetadata), "an object of strings", found(event));
    }
    for (JsonEvent event = reader_.next(); event == JsonEvent::key; event = reader_.next()) {
      const auto [entry, inserted] = metadata.try_emplace(std::string(reader_.string()));
      const auto what = [key = entry->first] { return fmt::format("{}, key \"{}\"", kMetadata, key); };
      if (!inserted) fail(what(), "one entry", "a second one");
      const JsonEvent value = reader_.next();
      if (value != JsonEvent::string) fail(what(), "a string", found(value));
      entry->second = reader_.string();
    }
  }

  void parse_entry(Entry& entry) {
    if (const JsonEvent event = reader_.next(); event != JsonEvent::begin_object) {
      fail(thing(entry), "an object with dtype, shape and data_offsets", found(event));
    }
    bool has_dtype = false;
    bool has_shape = false;
    bool has_offsets = false;
    const auto once = [&](bool& seen, std::string_view key) {
      if (seen) fail(thing(entry), fmt::format("{} once", key), "a second one");
      seen = true;
    };
    for (JsonEvent event = reader_.next(); event == JsonEvent::key; event = reader_.next()) {
      const std::string_view key = reader_.string();
      if (key == "dtype") {
        once(has_dtype, "dtype");
        entry.tensor.dtype = parse_dtype(entry);
      } else if (key == "shape") {
        once(has_shape, "shape");
        parse_shape(entry);
      } else if (key == "data_offsets") {
        once(has_offsets, "data_offsets");
        parse_offsets(entry);
      } else {
        fail(thing(entry), "only dtype, shape and data_offsets", fmt::format("key \"{}\"", key));
      }
    }
    const auto demand = [&](bool seen, std::string_view key) {
      if (!seen) fail(thing(entry), fmt::format("key \"{}\"", key), "none");
    };
    demand(has_dtype, "dtype");
    demand(has_shape, "shape");
    demand(has_offsets, "data_offsets");
    check_size(entry);
  }

  DType parse_dtype(const Entry& entry) {
    const JsonEvent event = reader_.next();
    if (event != JsonEvent::string) fail(thing(entry), "dtype as a string", found(event));
    const std::string_view name = reader_.string();
    if (const std::optional<DType> type = dtype_from_name(name)) return *type;
    const bool foreign = std::find(kForeignTypes.begin(), kForeignTypes.end(), name) != kForeignTypes.end();
    fail(thing(entry),
         "dtype F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8 or BOOL",
         fmt::format("\"{}\"", name), foreign ? ErrorKind::unsupported : ErrorKind::format);
  }

  void parse_shape(Entry& entry) {
    JsonEvent event = reader_.next();
    if (event != JsonEvent::begin_array) fail(thing(entry), "shape as an array", found(event));
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    for (event = reader_.next(); event != JsonEvent::end_array; event = reader_.next()) {
      if (event != JsonEvent::unsigned_integer || reader_.unsigned_integer() > kLargest) {
        fail(thing(entry), "shape of non-negative 64-bit integers", found(event));
      }
      if (entry.tensor.shape.size() == kMaxTensorRank) {
        fail(thing(entry), fmt::format("shape of at most {} dimensions", kMaxTensorRank), "more",
             ErrorKind::limit);
      }
      entry.tensor.shape.push_back(static_cast<std::int64_t>(reader_.unsigned_integer()));
    }
  }

  void parse_offsets(Entry& entry) {
    const auto wrong = [&](std::string found_text) {
      fail(thing(entry), "data_offsets as [begin, end]", std::move(found_text));
    };
    JsonEvent event = reader_.next();
    if (event != JsonEvent::begin_array) wrong(found(event));
    for (std::uint64_t* offset : {&entry.begin, &entry.end}) {
      event = reader_.next();
      if (event == JsonEvent::end_array) wrong("fewer than two numbers");
      if (event != JsonEvent::unsigned_integer) wrong(found(event));
      *offset = reader_.unsigned_integer();
    }
    if (reader_.next() != JsonEvent::end_array) wrong("more than two numbers");
  }

  void check_size(const Entry& entry) const {
    const Tensor& tensor = entry.tensor;
    const std::string offsets = fmt::format("data_offsets [{}, {}]", entry.begin, entry.end);
    if (entry.begin > entry.end) fail(thing(entry), "data_offsets with begin <= end", offsets);
    if (entry.end > data_bytes_) {
      fail(thing(entry),
           fmt::format("data_offsets inside the {} bytes of data (is the file cut short?)", data_bytes_),
           offsets);
    }
    std::uint64_t size = 1;
    bool overflow = false;
    for (const std::int64_t n : tensor.shape) {
      overflow = overflow || __builtin_mul_overflow(size, static_cast<std::uint64_t>(n), &size);
    }
    overflow = overflow || __builtin_mul_overflow(size, std::uint64_t{size_of(tensor.dtype)}, &size);
    if (overflow) fail(thing(entry), "shape whose size fits 64 bits", shape_text(tensor.shape));
    if (size != entry.end - entry.begin) {
      fail(thing(entry),
           fmt::format("{} bytes for {} {}", size, name(tensor.dtype), shape_text(tensor.shape)),
           fmt::format("{} bytes in {}", entry.end - entry.begin, offsets));
    }
  }

  JsonReader reader_;
  std::string file_;
  std::uint64_t data_bytes_;
};

// Demands that the entries, sorted by place, follow each other without gap from the first byte to the last.
void check_cover(const std::vector<Entry>& entries, std::uint64_t data_bytes, std::string_view file) {
  std::uint64_t covered = 0;
  const Entry* before = nullptr;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      const bool overlap = entry.begin < covered;
      std::string after = before == nullptr ? std::string("the start of the data")
                                            : fmt::format("the end of tensor \"{}\"", before->tensor.name);
      throw Error(ErrorKind::format, Fault{std::string(file), fmt::format("tensor \"{}\"", entry.tensor.name),
                                           fmt::format("data_offsets that begin at {}, {}", covered, after),
                                           fmt::format("{} at [{}, {}]", overlap ? "an overlap" : "a hole",
                                                       entry.begin, entry.end)});
    }
    covered = entry.end;
    before = &entry;
  }
  if (covered != data_bytes) {
    throw Error(ErrorKind::format,
                Fault{std::string(file), "data", fmt::format("{} bytes, as the tensors take", covered),
                      fmt::format("{} bytes", data_bytes)});
  }
}

std::uint64_t read_length(std::span<const std::byte> bytes) noexcept {
  std::uint64_t length = 0;
  for (std::size_t i = kLengthField; i-- > 0;)
    length = (length << 8) | std::to_integer<std::uint64_t>(bytes[i]);
  return length;
}

}  // namespace

SafetensorsContents read_safetensors(std::span<const std::byte> bytes, std::string_view file) {
  const auto fail = [file](std::string thing, std::string expected, std::string found,
                           ErrorKind kind = ErrorKind::format) {
    throw Error(kind, Fault{std::string(file), std::move(thing), std::move(expected), std::move(found)});
  };
  if (bytes.size() < kLengthField) {
    fail("safetensors header length", "8 bytes", fmt::format("a file of {} bytes", bytes.size()));
  }
  const std::uint64_t length = read_length(bytes);
  if (length > kMaxSafetensorsHeader) {
    fail("safetensors header length", fmt::format("at most {} bytes", kMaxSafetensorsHeader),
         fmt::format("{} bytes", length), ErrorKind::limit);
  }
  if (length > bytes.size() - kLengthField) {
    fail("safetensors header length",
         fmt::format("at most {} bytes, the rest of the file", bytes.size() - kLengthField),
         fmt::format("{} bytes", length));
  }
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + kLengthField,
                              static_cast<std::size_t>(length));
  if (!json.starts_with('{')) {
    fail(
        "safetensors header", "'{' as its first byte",
        json.empty() ? "an empty header" : fmt::format("byte 0x{:02x}", static_cast<unsigned char>(json[0])));
  }
  SafetensorsContents contents;
  contents.header_bytes = kLengthField + json.size();
  const std::span<const std::byte> data = bytes.subspan(contents.header_bytes);

  std::vector<Entry> entries;
  HeaderParser(json, file, data.size()).parse(entries, contents.metadata);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin
           : a.end != b.end   ? a.end < b.end
                              : a.tensor.name < b.tensor.name;
  });
  check_cover(entries, data.size(), file);

  contents.tensors.reserve(entries.size());
  for (Entry& entry : entries) {
    entry.tensor.data = data.subspan(static_cast<std::size_t>(entry.begin),
                                     static_cast<std::size_t>(entry.end - entry.begin));
    contents.tensors.push_back(std::move(entry.tensor));
  }
  return contents;
}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile file;
  file.path_ = path;
  file.file_ = MappedFile::open(path);
  file.contents_ = read_safetensors(file.file_.bytes(), path.string());
  file.by_name_.reserve(file.contents_.tensors.size());
  for (const Tensor& tensor : file.contents_.tensors) file.by_name_.emplace(tensor.name, &tensor);
  file.drop(file.header());
  return file;
}

const Tensor* SafetensorsFile::find(std::string_view name) const noexcept {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

}  // namespace moe
