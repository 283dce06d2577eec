// Packed weights on disk: written once, then mapped, so that a model is ready at once.
//
// A file is the data of its records, a directory of them, and a footer that vouches for the directory:
//
//   [4096]  a line of text for people
//   data    packed matrices and f32 vectors, each at a multiple of 64
//   directory, a record of 72 bytes each: recipe 16, kind u32, order u32, rows i64, cols i64, offset u64,
//   bytes u64,
//           checksum 16
//   footer  80 bytes: magic 8, format u32, layout u32, key 16, directory offset u64, records u64, hash of the
//   directory
//           16, hash of the footer up to here 16
//
// Numbers are little-endian. Nothing in a file is trusted before the footer, the directory and every place
// and size in it have been checked; the data are as trustworthy as the disk, and verify() compares them with
// their checksums.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/atomic_file.h"
#include "engine/base/content_hash.h"
#include "engine/base/mapped_file.h"
#include "kernels/packed_matrix.h"
#include "kernels/thread_team.h"

namespace moe {

// One matrix, or one vector (type f32, cols 0) of the file.
struct PackedRecord {
  Hash128 recipe;  // which weights it was made of, and how
  bool is_vector = false;
  kernels::WeightType type = kernels::WeightType::f32;
  kernels::RowOrder order = kernels::RowOrder::stacked;
  std::int64_t rows = 0, cols = 0;
  std::uint64_t offset = 0, bytes = 0;
  Hash128 checksum;
};

// The directory of a file's bytes. Errors (format) name what is wrong; nothing else is thrown whatever the
// bytes.
struct PackedDirectory {
  Hash128 key;
  std::vector<PackedRecord> records;  // by ascending offset, inside the data, of the size their shape needs
};
PackedDirectory read_packed_directory(std::span<const std::byte> bytes, std::string_view file);

// Immutable after open; threads may share it.
class PackedFile {
 public:
  // Errors: io; format for a damaged file, one of another layout version, or one made for another key.
  static PackedFile open(const std::filesystem::path& path, const Hash128& key);

  const std::filesystem::path& path() const noexcept { return path_; }
  const std::vector<PackedRecord>& records() const noexcept { return directory_.records; }
  std::span<const std::byte> data(const PackedRecord& record) const noexcept {
    return file_.bytes().subspan(record.offset, record.bytes);
  }
  // Lets go of a record's pages, which come back when they are read.
  void drop(const PackedRecord& record) const noexcept { file_.drop(data(record)); }
  // Reads everything. An error (format) names the first record that differs from its checksum.
  void verify(kernels::ThreadTeam& team) const;

 private:
  std::filesystem::path path_;
  MappedFile file_;
  PackedDirectory directory_;
};

// Writes such a file: complete under its name after commit(), or not there. Errors: io.
class PackedFileWriter {
 public:
  PackedFileWriter(const std::filesystem::path& target, const Hash128& key);

  void add(const Hash128& recipe, const kernels::PackedMatrix& matrix);
  void add(const Hash128& recipe, std::span<const float> vector);
  void commit();

 private:
  void add(PackedRecord record, std::span<const std::byte> bytes);
  void align();

  AtomicFile file_;
  PackedDirectory directory_;
};

}  // namespace moe
