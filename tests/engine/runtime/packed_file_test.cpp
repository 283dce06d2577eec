// Packed files: what is written comes back, and nothing damaged is believed.
#include "engine/runtime/packed_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

using kernels::PackedMatrix;
using kernels::WeightType;
using test::expect_error;
using test::TempDir;

constexpr Hash128 kKey{1, 2};
constexpr std::size_t kFooter = 80, kRecord = 72;

Hash128 recipe(std::uint64_t number) { return {number, ~number}; }

PackedMatrix some_matrix(std::int64_t rows, std::int64_t cols, std::uint16_t first) {
  std::vector<std::uint16_t> values(static_cast<std::size_t>(rows * cols));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint16_t>(first + i);
  const kernels::MatrixView view = kernels::row_major(WeightType::bf16, values.data(), rows, cols);
  return kernels::pack({&view, 1}, WeightType::bf16,
                       rows % 2 == 0 ? kernels::RowOrder::gate_up : kernels::RowOrder::stacked);
}

const std::vector<float> kVector = {1, -2, 3.5F};

std::string write_sample(const std::filesystem::path& path) {
  PackedFileWriter writer(path, kKey);
  writer.add(recipe(0), some_matrix(37, 21, 0x3f00));
  writer.add(recipe(1), kVector);
  writer.add(recipe(2), some_matrix(20, 7, 0x3e00));
  writer.commit();
  return test::read_all(path);
}

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Hashes of directory and footer set right again after a change.
std::string sign(std::string bytes) {
  const auto hash = [&](std::size_t from, std::size_t to) {
    return content_hash(std::as_bytes(std::span(bytes).subspan(from, to - from)));
  };
  std::uint64_t directory = 0;
  const std::size_t footer = bytes.size() - kFooter;
  std::memcpy(&directory, &bytes[footer + 32], sizeof directory);
  const Hash128 of_directory = hash(directory, footer);
  std::memcpy(&bytes[footer + 48], &of_directory, sizeof of_directory);
  const Hash128 of_footer = hash(footer, bytes.size() - 16);
  std::memcpy(&bytes[bytes.size() - 16], &of_footer, sizeof of_footer);
  return bytes;
}

template <class T>
std::string with(std::string bytes, std::size_t at, T value) {
  std::memcpy(&bytes[at], &value, sizeof value);
  return sign(std::move(bytes));
}

TEST(PackedFile, WhatIsWrittenComesBack) {
  const TempDir folder;
  write_sample(folder / "a.packed");
  const PackedFile file = PackedFile::open(folder / "a.packed", kKey);
  ASSERT_EQ(file.records().size(), 3U);
  for (const std::size_t i : {0U, 2U}) {
    const PackedMatrix expected = i == 0 ? some_matrix(37, 21, 0x3f00) : some_matrix(20, 7, 0x3e00);
    const PackedRecord& r = file.records()[i];
    EXPECT_EQ(r.recipe, recipe(i));
    EXPECT_FALSE(r.is_vector);
    EXPECT_EQ(r.type, WeightType::bf16);
    EXPECT_EQ(r.order, expected.order());
    EXPECT_EQ(r.rows, expected.rows());
    EXPECT_EQ(r.cols, expected.cols());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.data(r).data()) % 64, 0U);
    ASSERT_EQ(file.data(r).size(), static_cast<std::size_t>(expected.bytes()));
    EXPECT_EQ(std::memcmp(file.data(r).data(), expected.tile(0), file.data(r).size()), 0);
  }
  EXPECT_TRUE(file.records()[1].is_vector);
  ASSERT_EQ(file.data(file.records()[1]).size(), kVector.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(file.data(file.records()[1]).data(), kVector.data(), kVector.size() * sizeof(float)),
            0);
  kernels::ThreadTeam team(2);
  file.verify(team);
}

TEST(PackedFile, UncommittedLeavesNothing) {
  const TempDir folder;
  {
    PackedFileWriter writer(folder / "a.packed", kKey);
    writer.add(recipe(0), kVector);
  }
  EXPECT_EQ(folder.entries(), 0U);
}

TEST(PackedFile, EveryCutAndEveryFlippedBitOfItsTablesIsFound) {
  const TempDir folder;
  const std::string good = write_sample(folder / "a.packed");
  const auto read = [](const std::string& bytes) {
    return read_packed_directory(std::as_bytes(std::span(bytes)), "a.packed");
  };
  EXPECT_EQ(read(good).records.size(), 3U);
  for (std::size_t size = 0; size < good.size(); size += size < good.size() - 400 ? 97 : 1) {
    EXPECT_THROW(read(good.substr(0, size)), Error) << size;
  }
  EXPECT_THROW(read(good + '\0'), Error);
  for (std::size_t at = good.size() - kFooter - 3 * kRecord; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    EXPECT_THROW(read(bad), Error) << at;
  }
}

// Seeds of another layout would be refused before anything else of them is read.
TEST(PackedFile, SeedsOfTheFuzzTargetAreOfThisLayout) {
  std::ifstream file(std::filesystem::path(MOE_TEST_SOURCE_DIR) / "fuzz/corpus/packed/matrix", std::ios::binary);
  const std::string seed{std::istreambuf_iterator<char>(file), {}};
  ASSERT_GT(seed.size(), kFooter);
  std::uint32_t layout = 0;
  std::memcpy(&layout, seed.data() + seed.size() - kFooter + 12, sizeof layout);
  EXPECT_EQ(layout, kernels::kPackedLayoutVersion) << "run tests/fuzz/make_packed_seeds.py tests/fuzz/corpus/packed";
}

TEST(PackedFile, SaysWhatIsWrong) {
  const TempDir folder;
  const std::string good = write_sample(folder / "a.packed");
  const std::size_t footer = good.size() - kFooter, records = footer - 3 * kRecord;
  const auto fails = [&](std::initializer_list<std::string_view> parts, const std::string& bytes) {
    write(folder / "b.packed", bytes);
    expect_error(ErrorKind::format, parts, [&] { PackedFile::open(folder / "b.packed", kKey); });
  };
  fails({"b.packed", "cut short"}, good.substr(0, good.size() - 1));
  fails({"format", "expected 1", "found 2"}, with(good, footer + 8, std::uint32_t{2}));
  fails({"layout version", "found 77"}, with(good, footer + 12, std::uint32_t{77}));
  fails({"directory", "hash"}, [&] {
    std::string bad = good;
    bad[records] ^= 1;
    return bad;
  }());
  fails({"directory", "4 records"}, with(good, footer + 40, std::uint64_t{4}));
  fails({"record 0", "kind"}, with(good, records + 16, std::uint32_t{9}));
  fails({"record 0", "order"}, with(good, records + 20, std::uint32_t{2}));
  fails({"record 0", "shape"}, with(good, records + 24, std::int64_t{-1}));
  fails({"record 0", "shape"}, with(good, records + 32, std::int64_t{1} << 60));
  fails({"record 0", "bytes"}, with(good, records + 24, std::int64_t{36 + 16}));
  fails({"record 1", "shape"}, with(good, records + kRecord + 32, std::int64_t{1}));
  fails({"record 1", "place"}, with(good, records + kRecord + 40, std::uint64_t{4096}));
  fails({"record 2", "place"}, with(good, records + 2 * kRecord + 40, ~std::uint64_t{63}));
  expect_error(ErrorKind::format, {"a.packed", "older state"}, [&] {
    PackedFile::open(folder / "a.packed", {1, 3});
  });
  expect_error(ErrorKind::io, {"none.packed"}, [&] { PackedFile::open(folder / "none.packed", kKey); });
}

TEST(PackedFile, DamagedDataAreFoundWhenAsked) {
  const TempDir folder;
  std::string bytes = write_sample(folder / "a.packed");
  bytes[4096 + 37] ^= 1;
  write(folder / "a.packed", bytes);
  const PackedFile file = PackedFile::open(folder / "a.packed", kKey);
  kernels::ThreadTeam team(2);
  expect_error(ErrorKind::format, {"a.packed", "record 0", "checksum"}, [&] { file.verify(team); });
}

}  // namespace
}  // namespace moe
