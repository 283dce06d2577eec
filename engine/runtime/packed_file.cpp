#include "engine/runtime/packed_file.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "engine/base/error.h"

namespace moe {
namespace {

using kernels::RowOrder;
using kernels::WeightType;

constexpr std::uint64_t kDataBegin = 4096;
constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kRecordBytes = 72, kFooterBytes = 80;
constexpr std::uint64_t kMagic = 0x6b6361706d656f6d;
constexpr std::uint32_t kFormat = 1;
constexpr std::uint32_t kVectorKind = 0xffffffff;  // a matrix has its WeightType's number
constexpr std::string_view kBanner =
    "Packed weights of a model, made by moe. It is made again when needed: safe to delete.\n";

// Little-endian numbers one after the other.
class Encoder {
 public:
  template <class T>
  void put(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes_.push_back(static_cast<std::byte>(std::uint64_t(value) >> (8 * i)));
  }
  void put(const Hash128& hash) {
    put(hash.low);
    put(hash.high);
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <class T>
  T get() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      value |= std::to_integer<std::uint64_t>(bytes_[at_++]) << (8 * i);
    return static_cast<T>(value);
  }
  Hash128 hash() {
    Hash128 out;
    out.low = get<std::uint64_t>();
    out.high = get<std::uint64_t>();
    return out;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {}

  PackedDirectory read() const {
    if (bytes_.size() < kDataBegin + kFooterBytes)
      fail("size", "a whole file", fmt::format("{} bytes", bytes_.size()));
    const std::span<const std::byte> footer = bytes_.last(kFooterBytes);
    Decoder in(footer);
    if (in.get<std::uint64_t>() != kMagic)
      fail("footer", "that of packed weights (is the file cut short?)", "something else");
    const auto format = in.get<std::uint32_t>(), layout = in.get<std::uint32_t>();
    if (format != kFormat) fail("format", std::to_string(kFormat), std::to_string(format));
    if (layout != kernels::kPackedLayoutVersion) {
      fail("layout version", std::to_string(kernels::kPackedLayoutVersion), std::to_string(layout));
    }
    PackedDirectory directory;
    directory.key = in.hash();
    const auto offset = in.get<std::uint64_t>(), count = in.get<std::uint64_t>();
    const Hash128 directory_hash = in.hash();
    if (in.hash() != content_hash(footer.first(kFooterBytes - sizeof(Hash128))))
      fail("footer", "one that fits its hash", "another hash");
    const std::uint64_t end = bytes_.size() - kFooterBytes;
    if (offset < kDataBegin || offset > end || (end - offset) % kRecordBytes != 0 ||
        (end - offset) / kRecordBytes != count) {
      fail("directory", fmt::format("{} records before the footer", count),
           fmt::format("bytes {} to {}", offset, end));
    }
    const std::span<const std::byte> records = bytes_.subspan(offset, end - offset);
    if (content_hash(records) != directory_hash) fail("directory", "one that fits its hash", "another hash");
    directory.records.reserve(count);
    std::uint64_t data_end = kDataBegin;
    for (std::uint64_t i = 0; i < count; ++i) {
      directory.records.push_back(
          read_record(records.subspan(i * kRecordBytes, kRecordBytes), data_end, offset, i));
      data_end = directory.records.back().offset + directory.records.back().bytes;
    }
    return directory;
  }

 private:
  [[noreturn]] void fail(std::string thing, std::string expected, std::string found) const {
    throw Error(ErrorKind::format,
                Fault{std::string(file_), std::move(thing), std::move(expected), std::move(found)});
  }

  PackedRecord read_record(std::span<const std::byte> bytes, std::uint64_t data_begin, std::uint64_t data_end,
                           std::uint64_t number) const {
    const auto thing = [&] { return fmt::format("record {}", number); };
    PackedRecord record;
    Decoder in(bytes);
    record.recipe = in.hash();
    const auto kind = in.get<std::uint32_t>(), order = in.get<std::uint32_t>();
    record.rows = in.get<std::int64_t>();
    record.cols = in.get<std::int64_t>();
    record.offset = in.get<std::uint64_t>();
    record.bytes = in.get<std::uint64_t>();
    record.checksum = in.hash();
    record.is_vector = kind == kVectorKind;
    if (!record.is_vector && kind > std::uint32_t(WeightType::q4))
      fail(thing(), "a known kind", std::to_string(kind));
    if (order > std::uint32_t(RowOrder::gate_up))
      fail(thing(), "a known order of rows", std::to_string(order));
    if (!record.is_vector) record.type = static_cast<WeightType>(kind);
    record.order = static_cast<RowOrder>(order);
    const auto size = size_of(record);
    if (!size) fail(thing(), "a shape", fmt::format("{} x {}", record.rows, record.cols));
    if (record.bytes != *size) fail(thing(), fmt::format("{} bytes", *size), std::to_string(record.bytes));
    if (record.offset % kAlignment != 0 || record.offset < data_begin || record.offset > data_end ||
        record.bytes > data_end - record.offset) {
      fail(thing(), fmt::format("a place in bytes {} to {}", data_begin, data_end),
           fmt::format("{} bytes at {}", record.bytes, record.offset));
    }
    return record;
  }

  static std::optional<std::uint64_t> size_of(const PackedRecord& record) {
    constexpr std::int64_t kLargest = std::int64_t{1} << 48;
    if (record.rows < 0 || record.cols < 0 || record.rows > kLargest ||
        (record.is_vector && record.cols != 0))
      return std::nullopt;
    if (record.is_vector) return std::uint64_t(record.rows) * sizeof(float);
    try {
      return std::uint64_t(kernels::packed_bytes(record.type, record.rows, record.cols, record.order));
    } catch (const std::invalid_argument&) {
      return std::nullopt;
    }
  }

  std::span<const std::byte> bytes_;
  std::string_view file_;
};

}  // namespace

PackedDirectory read_packed_directory(std::span<const std::byte> bytes, std::string_view file) {
  return Reader(bytes, file).read();
}

PackedFile PackedFile::open(const std::filesystem::path& path, const Hash128& key) {
  PackedFile packed;
  packed.path_ = path;
  packed.file_ = MappedFile::open(path);
  packed.directory_ = read_packed_directory(packed.file_.bytes(), path.string());
  if (packed.directory_.key != key) {
    throw Error(ErrorKind::format, Fault{path.string(), "model", "the checkpoint as it is now",
                                         "an older state or another form of it"});
  }
  return packed;
}

void PackedFile::verify(kernels::ThreadTeam& team) const {
  std::atomic<std::size_t> next{0}, wrong{SIZE_MAX};
  team.run([&](int, int) {
    for (std::size_t i = next++; i < records().size() && wrong.load() == SIZE_MAX; i = next++) {
      if (content_hash(data(records()[i])) != records()[i].checksum) wrong = i;
    }
  });
  if (wrong == SIZE_MAX) return;
  throw Error(ErrorKind::format, Fault{path_.string(), fmt::format("record {}", wrong.load()),
                                       "data that fit their checksum", "others"});
}

PackedFileWriter::PackedFileWriter(const std::filesystem::path& target, const Hash128& key) : file_(target) {
  static_assert(std::endian::native == std::endian::little,
                "vectors and matrices are written as they lie in memory");
  directory_.key = key;
  std::string banner(kBanner);
  banner.resize(kDataBegin, '\n');
  file_.write(banner);
}

void PackedFileWriter::align() {
  static constexpr std::array<std::byte, kAlignment> kZeros{};
  file_.write(std::span(kZeros).first((kAlignment - file_.size() % kAlignment) % kAlignment));
}

void PackedFileWriter::add(PackedRecord record, std::span<const std::byte> bytes) {
  align();
  record.offset = file_.size();
  record.bytes = bytes.size();
  record.checksum = content_hash(bytes);
  file_.write(bytes);
  directory_.records.push_back(record);
}

void PackedFileWriter::add(const Hash128& recipe, const kernels::PackedMatrix& matrix) {
  PackedRecord record;
  record.recipe = recipe;
  record.type = matrix.type();
  record.order = matrix.order();
  record.rows = matrix.rows();
  record.cols = matrix.cols();
  add(record, {matrix.tile(0), std::size_t(matrix.bytes())});
}

void PackedFileWriter::add(const Hash128& recipe, std::span<const float> vector) {
  PackedRecord record;
  record.recipe = recipe;
  record.is_vector = true;
  record.rows = std::int64_t(vector.size());
  add(record, std::as_bytes(vector));
}

void PackedFileWriter::commit() {
  align();
  const std::uint64_t directory_begin = file_.size();
  Encoder records;
  for (const PackedRecord& r : directory_.records) {
    records.put(r.recipe);
    records.put(r.is_vector ? kVectorKind : std::uint32_t(r.type));
    records.put(std::uint32_t(r.order));
    records.put(r.rows);
    records.put(r.cols);
    records.put(r.offset);
    records.put(r.bytes);
    records.put(r.checksum);
  }
  Encoder footer;
  footer.put(kMagic);
  footer.put(kFormat);
  footer.put(kernels::kPackedLayoutVersion);
  footer.put(directory_.key);
  footer.put(directory_begin);
  footer.put(std::uint64_t(directory_.records.size()));
  footer.put(content_hash(records.bytes()));
  footer.put(content_hash(footer.bytes()));
  file_.write(records.bytes());
  file_.write(footer.bytes());
  file_.commit();
}

}  // namespace moe
