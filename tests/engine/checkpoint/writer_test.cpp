// The safetensors writer: what it writes the reader finds, and failures leave nothing behind.
#include "engine/checkpoint/safetensors_writer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

using test::expect_error;
using test::TempDir;

std::vector<std::byte> pattern(std::size_t n, unsigned seed) {
  std::vector<std::byte> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>(i * 31 + seed * 7 + 1);
  return out;
}

struct Written {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;
};

std::vector<Written> one_of_every_type() {
  std::vector<Written> out;
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    const auto type = static_cast<DType>(i);
    out.push_back(
        {"matrix." + std::string(name(type)), type, {3, 5}, pattern(15 * size_of(type), unsigned(i))});
    out.push_back({"scalar." + std::string(name(type)), type, {}, pattern(size_of(type), unsigned(i) + 50)});
    out.push_back({"empty." + std::string(name(type)), type, {4, 0}, {}});
  }
  out.push_back({"odd \"name\"\n\xc3\xa9", DType::u8, {1}, pattern(1, 3)});
  return out;
}

void write_all(SafetensorsWriter& writer, const std::vector<Written>& tensors, std::size_t piece) {
  std::vector<std::byte> all;
  for (const Written& tensor : tensors) {
    writer.declare(tensor.name, tensor.dtype, tensor.shape);
    all.insert(all.end(), tensor.data.begin(), tensor.data.end());
  }
  for (std::size_t at = 0; at < all.size(); at += piece) {
    writer.write(std::span(all).subspan(at, std::min(piece, all.size() - at)));
  }
  writer.finish();
}

void expect_found(const TempDir& folder, const std::vector<Written>& tensors) {
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.names().size(), tensors.size());
  for (const Written& tensor : tensors) {
    const Tensor& found = checkpoint.require(tensor.name, tensor.shape);
    EXPECT_EQ(found.dtype, tensor.dtype) << tensor.name;
    ASSERT_EQ(found.data.size(), tensor.data.size()) << tensor.name;
    EXPECT_TRUE(std::equal(found.data.begin(), found.data.end(), tensor.data.begin())) << tensor.name;
  }
  for (const SafetensorsFile& file : checkpoint.files()) {
    EXPECT_EQ(file.header().size() % 8, 0U);
    EXPECT_EQ(file.metadata().at("format"), "pt");
  }
}

TEST(SafetensorsWriter, EveryTypeComesBackWhateverThePieces) {
  for (const std::size_t piece : {1U, 7U, 1000000U}) {
    const TempDir folder;
    SafetensorsWriter writer(folder.path());
    write_all(writer, one_of_every_type(), piece);
    EXPECT_EQ(folder.entries(), 1U);
    expect_found(folder, one_of_every_type());
  }
}

TEST(SafetensorsWriter, ShardsAreCutBetweenTensorsAndNamedByAnIndex) {
  for (const std::uint64_t shard_bytes : {0U, 1U, 40U, 120U, 300U}) {
    const TempDir folder;
    SafetensorsWriterOptions options;
    options.shard_bytes = shard_bytes;
    SafetensorsWriter writer(folder.path(), options);
    write_all(writer, one_of_every_type(), 11);
    const Checkpoint checkpoint = Checkpoint::open(folder.path());
    EXPECT_FALSE(checkpoint.index().empty());
    EXPECT_GT(checkpoint.files().size(), 1U);
    EXPECT_EQ(folder.entries(), checkpoint.files().size() + 1);
    for (const SafetensorsFile& file : checkpoint.files()) {
      std::uint64_t bytes = 0;
      int with_data = 0;
      for (const Tensor& tensor : file.tensors()) {
        bytes += tensor.data.size();
        with_data += tensor.data.empty() ? 0 : 1;
      }
      EXPECT_TRUE(bytes <= shard_bytes || with_data == 1) << bytes << " in a shard of " << shard_bytes;
    }
    expect_found(folder, one_of_every_type());
  }
}

TEST(SafetensorsWriter, AFileWithoutTensors) {
  const TempDir folder;
  SafetensorsWriter writer(folder.path());
  writer.finish();
  EXPECT_TRUE(Checkpoint::open(folder.path()).names().empty());
}

TEST(SafetensorsWriter, SaysWhatComesNext) {
  const TempDir folder;
  SafetensorsWriter writer(folder.path());
  writer.declare("none", DType::f32, {0});
  writer.declare("a", DType::u8, {2});
  writer.declare("b", DType::u8, {1});
  EXPECT_EQ(writer.total_bytes(), 3U);
  EXPECT_EQ(writer.next_tensor(), "a");
  writer.write(pattern(1, 0));
  EXPECT_EQ(writer.next_tensor(), "a");
  writer.write(pattern(1, 0));
  EXPECT_EQ(writer.next_tensor(), "b");
  writer.write(pattern(1, 0));
  EXPECT_THROW(writer.next_tensor(), Error);
  EXPECT_EQ(writer.written_bytes(), 3U);
}

TEST(SafetensorsWriter, MisuseIsNamedAndLeavesNothing) {
  const TempDir folder;
  {
    SafetensorsWriter writer(folder.path());
    writer.declare("a", DType::f32, {2});
    expect_error(ErrorKind::usage, {"tensor \"a\"", "each name once", "a second one"},
                 [&] { writer.declare("a", DType::f32, {2}); });
    expect_error(ErrorKind::usage, {"__metadata__", "another name"},
                 [&] { writer.declare("__metadata__", DType::f32, {2}); });
  }
  {
    SafetensorsWriter writer(folder.path());
    expect_error(ErrorKind::usage, {"tensor \"n\"", "non-negative sizes", "found -1"},
                 [&] { writer.declare("n", DType::f32, {-1}); });
  }
  {
    SafetensorsWriter writer(folder.path());
    expect_error(ErrorKind::usage, {"tensor \"o\"", "fits 64 bits"}, [&] {
      writer.declare("o", DType::f64, {std::int64_t{1} << 40, std::int64_t{1} << 40});
    });
  }
  {
    SafetensorsWriter writer(folder.path());
    writer.declare("a", DType::f32, {2});
    writer.write(pattern(5, 0));
    expect_error(ErrorKind::usage, {"tensor \"b\"", "before the first write"},
                 [&] { writer.declare("b", DType::f32, {2}); });
    expect_error(ErrorKind::usage, {"tensor \"a\"", "expected 8 bytes", "found 5 bytes written"},
                 [&] { writer.finish(); });
    expect_error(ErrorKind::usage, {"expected 8 bytes, as declared", "found 2 bytes more"},
                 [&] { writer.write(pattern(5, 0)); });
  }
  {
    SafetensorsWriter writer(folder.path());
    writer.declare("bad \xff", DType::u8, {1});
    expect_error(ErrorKind::usage, {"names in UTF-8"}, [&] { writer.write(pattern(1, 0)); });
  }
  EXPECT_EQ(folder.entries(), 0U);
  expect_error(ErrorKind::io, {"nowhere", "No such file"}, [&] {
    SafetensorsWriter writer(folder / "nowhere");
    writer.finish();
  });
}

// A limit on file size stands in for a full disk.
TEST(SafetensorsWriter, RunningOutOfSpaceLeavesNothing) {
  const TempDir folder;
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 3 << 20;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorKind::io, {"model-00002-of-00002.safetensors", "writing", "File too large"}, [&] {
    SafetensorsWriterOptions options;
    options.shard_bytes = 1 << 20;
    SafetensorsWriter writer(folder.path(), options);
    writer.declare("small", DType::u8, {1 << 20});
    writer.declare("large", DType::u8, {8 << 20});
    writer.write(pattern(9 << 20, 1));
    writer.finish();
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(folder.entries(), 0U);
}

}  // namespace
}  // namespace moe
