// A packed file's tables: every record that is accepted lies inside the data and has the size its shape
// needs.
#include <cstring>
#include <vector>

#include "engine/runtime/packed_file.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace moe;

constexpr std::size_t kDataBegin = 4096, kFooter = 80, kDirectoryAt = 32, kDirectoryHash = 48;

void read(std::span<const std::byte> bytes) {
  fuzz::succeeds([&] {
    const PackedDirectory directory = read_packed_directory(bytes, "fuzz");
    std::uint64_t end = kDataBegin;
    for (const PackedRecord& r : directory.records) {
      fuzz::check(r.offset % 64 == 0 && r.offset >= end && r.bytes <= bytes.size() - r.offset);
      end = r.offset + r.bytes;
      const std::int64_t wanted =
          r.is_vector ? r.rows * std::int64_t{4} : kernels::packed_bytes(r.type, r.rows, r.cols, r.order);
      fuzz::check(r.rows >= 0 && r.cols >= 0 && std::uint64_t(wanted) == r.bytes);
    }
  });
}

// As one who meant it would have written it: with the hashes that its tables need. The first page is left out
// of the inputs.
std::vector<std::byte> signed_file(std::span<const std::byte> input) {
  std::vector<std::byte> bytes(kDataBegin);
  bytes.insert(bytes.end(), input.begin(), input.end());
  const std::size_t footer = bytes.size() - kFooter;
  std::uint64_t directory = 0;
  std::memcpy(&directory, &bytes[footer + kDirectoryAt], sizeof directory);
  if (directory > footer) return bytes;
  const Hash128 records = content_hash(std::span(bytes).subspan(directory, footer - directory));
  std::memcpy(&bytes[footer + kDirectoryHash], &records, sizeof records);
  const Hash128 all = content_hash(std::span(bytes).subspan(footer, kFooter - sizeof(Hash128)));
  std::memcpy(&bytes[bytes.size() - sizeof all], &all, sizeof all);
  return bytes;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  read(bytes);
  if (size >= kFooter) read(signed_file(bytes));
  return 0;
}
