// The GGUF reader: what it reads, and a table of what it refuses.
#include "engine/convert/gguf.h"

#include <functional>

#include "tests/engine/convert/support.h"

namespace moe {
namespace {

using testing::Bytes;

constexpr std::uint32_t kU8 = 0, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10;

// A file of two keys and two F32 tensors, any field of which a test can change.
struct Sample {
  std::string magic = "GGUF";
  std::uint64_t version = 3;
  std::uint64_t tensors = 2;
  std::uint64_t keys = 2;
  std::function<void(Bytes&)> more_keys = [](Bytes&) {};
  std::string first_name = "a";
  std::string second_name = "b";
  std::uint64_t dimensions = 2;
  std::uint64_t rows = 3;
  std::uint64_t columns = 8;
  std::uint64_t type = 0;
  std::uint64_t first_offset = 0;
  std::uint64_t second_offset = 96;
  std::size_t data = 96 + 32;

  std::string text() const {
    Bytes out;
    out.raw(magic).u32(version).u64(tensors).u64(keys);
    out.string("general.architecture").u32(kString).string("llama");
    out.string("x.sizes").u32(kArray).u32(kU32).u64(3).u32(5).u32(6).u32(7);
    more_keys(out);
    out.string(first_name).u32(dimensions);
    for (std::uint64_t i = 0; i < dimensions && i < 8; ++i) out.u64(i == 0 ? columns : i == 1 ? rows : 1);
    out.u32(type).u64(first_offset);
    out.string(second_name).u32(1).u64(8).u32(0).u64(second_offset);
    out.align(32);
    for (std::size_t i = 0; i < data / 4; ++i) out.f32(static_cast<float>(i));
    return out.text();
  }
};

TEST(Gguf, ReadsKeysAndTensors) {
  Sample sample;
  sample.keys = 8;
  sample.more_keys = [](Bytes& out) {
    out.string("x.real").u32(kF32).f32(0.5f);
    out.string("x.flag").u32(kBool).raw("\x01");
    out.string("x.big").u32(kU64).u64(1ull << 40);
    out.string("x.names").u32(kArray).u32(kString).u64(2).string("one").string("");
    out.string("x.negative").u32(kI32).number<std::int32_t>(-4);
    // Arrays of arrays are walked, though no accessor asks for them.
    out.string("x.nested").u32(kArray).u32(kArray).u64(1).u32(kU8).u64(2).raw("ab");
  };
  for (const std::uint64_t version : {2, 3}) {
    sample.version = version;
    const std::string text = sample.text();
    const GgufFile file(testing::as_bytes(text), "a.gguf");
    EXPECT_EQ(file.version(), version);
    EXPECT_EQ(file.require_string("general.architecture"), "llama");
    EXPECT_EQ(file.integers("x.sizes"), (std::vector<std::int64_t>{5, 6, 7}));
    EXPECT_EQ(file.real("x.real"), 0.5);
    EXPECT_EQ(file.boolean("x.flag"), true);
    EXPECT_EQ(file.integer("x.big"), 1ull << 40);
    EXPECT_EQ(file.strings("x.names"), (std::vector<std::string_view>{"one", ""}));
    EXPECT_EQ(file.integer("x.none"), std::nullopt);
    ASSERT_EQ(file.tensors().size(), 2u);
    const GgufTensor* tensor = file.tensor("a");
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor->shape, (std::vector<std::uint64_t>{3, 8}));
    EXPECT_EQ(tensor->elements, 24u);
    float value = 0;
    std::memcpy(&value, file.tensor("b")->data.data(), 4);
    EXPECT_EQ(value, 24.0f);
    EXPECT_EQ(file.tensor("c"), nullptr);
  }
}

TEST(Gguf, WrongTypesOfKeysAreNamed) {
  Sample sample;
  sample.keys = 4;
  sample.more_keys = [](Bytes& out) {
    out.string("x.negative").u32(kI32).number<std::int32_t>(-4);
    out.string("x.huge").u32(kU64).u64(~0ull);
  };
  const std::string text = sample.text();
  const GgufFile file(testing::as_bytes(text), "a.gguf");
  using testing::expect_error;
  const auto config = ErrorKind::config;
  expect_error(config, {"a.gguf", "x.negative", "at least 0"}, [&] { file.integer("x.negative"); });
  expect_error(config, {"x.huge"}, [&] { file.integer("x.huge"); });
  expect_error(config, {"x.sizes", "a string", "an array of u32"}, [&] { file.string("x.sizes"); });
  expect_error(config, {"x.sizes", "array of strings"}, [&] { file.strings("x.sizes"); });
  expect_error(config, {"x.sizes", "array of f32"}, [&] { file.reals("x.sizes"); });
  expect_error(config, {"general.architecture", "boolean"}, [&] { file.boolean("general.architecture"); });
  expect_error(config, {"general.architecture", "floating"}, [&] { file.real("general.architecture"); });
  expect_error(config, {"general.architecture", "array"}, [&] { file.integers("general.architecture"); });
  expect_error(config, {"x.none", "no such key"}, [&] { file.require_integer("x.none"); });
  expect_error(config, {"x.none", "no such key"}, [&] { file.require_string("x.none"); });
}

struct Broken {
  const char* what;
  std::function<void(Sample&)> change;
  std::vector<std::string> parts;
  ErrorKind kind = ErrorKind::format;
};

TEST(Gguf, RefusesBrokenFiles) {
  const auto key = [](std::function<void(Bytes&)> write) {
    return [write](Sample& s) {
      s.keys = 3;
      s.more_keys = write;
    };
  };
  const std::vector<Broken> table = {
      {"magic", [](Sample& s) { s.magic = "GGML"; }, {"magic", "'GGUF'", "'GGML'"}},
      {"version 1", [](Sample& s) { s.version = 1; }, {"version", "2 or 3", "1"}, ErrorKind::unsupported},
      {"big endian", [](Sample& s) { s.version = 3u << 24; }, {"big-endian"}, ErrorKind::unsupported},
      {"tensor count", [](Sample& s) { s.tensors = ~0ull; }, {"tensor count"}},
      {"key count", [](Sample& s) { s.keys = ~0ull; }, {"key count"}},
      {"one tensor too many",
       [](Sample& s) {
         s.tensors = 3;
         s.data = 4;
       },
       {}},
      {"key too long", key([](Bytes& out) { out.u64(1 << 20).zeros(1 << 20); }), {"at most 65535 bytes"}},
      {"key without a name", key([](Bytes& out) { out.string("").u32(kU8).raw("x"); }), {"a name"}},
      {"key beyond the file", key([](Bytes& out) { out.u64(60000); }), {"bytes left"}},
      {"key twice", key([](Bytes& out) { out.string("x.sizes").u32(kU8).raw("x"); }), {"x.sizes", "once"}},
      {"value type", key([](Bytes& out) { out.string("k").u32(13); }), {"'k'", "0 to 12", "13"}},
      {"boolean", key([](Bytes& out) { out.string("k").u32(kBool).raw("\x02"); }), {"0 or 1", "2"}},
      {"string length",
       key([](Bytes& out) { out.string("k").u32(kString).u64(1ull << 62); }),
       {"'k'", "bytes left"}},
      {"array count",
       key([](Bytes& out) { out.string("k").u32(kArray).u32(kU64).u64(1ull << 61); }),
       {"'k'", "elements of u64"}},
      {"array of strings",
       key([](Bytes& out) { out.string("k").u32(kArray).u32(kString).u64(2).string("a").u64(99999); }),
       {"'k'"}},
      {"array element type",
       key([](Bytes& out) { out.string("k").u32(kArray).u32(99).u64(1); }),
       {"0 to 12", "99"}},
      {"array of bad booleans",
       key([](Bytes& out) { out.string("k").u32(kArray).u32(kBool).u64(1).raw("\x07"); }),
       {"0 or 1"}},
      {"nested arrays",
       key([](Bytes& out) {
         out.string("k").u32(kArray);
         for (int i = 0; i < 2000; ++i) out.u32(kArray).u64(1);
       }),
       {"nested at most"}},
      {"alignment zero",
       key([](Bytes& out) { out.string("general.alignment").u32(kU32).u32(0); }),
       {"alignment", "power of two", "0"}},
      {"alignment odd",
       key([](Bytes& out) { out.string("general.alignment").u32(kU32).u32(48); }),
       {"alignment", "48"}},
      {"alignment huge",
       key([](Bytes& out) { out.string("general.alignment").u32(kU64).u64(1ull << 40); }),
       {"alignment"}},
      {"alignment as text",
       key([](Bytes& out) { out.string("general.alignment").u32(kString).string("32"); }),
       {"alignment"},
       ErrorKind::config},
      {"tensor without a name", [](Sample& s) { s.first_name = ""; }, {"tensor 0", "a name"}},
      {"tensor name too long", [](Sample& s) { s.first_name = std::string(5000, 'n'); }, {"at most 1024"}},
      {"tensor twice", [](Sample& s) { s.second_name = "a"; }, {"'a'", "once"}},
      {"no dimensions", [](Sample& s) { s.dimensions = 0; }, {"'a'", "1 to 4 dimensions"}},
      {"five dimensions", [](Sample& s) { s.dimensions = 5; }, {"1 to 4 dimensions", "5"}},
      {"empty dimension", [](Sample& s) { s.rows = 0; }, {"'a'", "above 0"}},
      {"product overflow", [](Sample& s) { s.rows = 1ull << 61; }, {"'a'", "below 2^56"}},
      {"type unknown", [](Sample& s) { s.type = 10; }, {"'a'", "Q4_K", "found Q2_K"}, ErrorKind::unsupported},
      {"type of nobody", [](Sample& s) { s.type = 12345; }, {"type 12345"}, ErrorKind::unsupported},
      {"row of half a block", [](Sample& s) { s.type = 8; }, {"multiple of 32", "rows of 8"}},
      {"offset unaligned", [](Sample& s) { s.second_offset = 100; }, {"'b'", "multiple of 32", "100"}},
      {"offset beyond the data", [](Sample& s) { s.second_offset = 1 << 20; }, {"'b'", "data of 128 bytes"}},
      {"offset overflow", [](Sample& s) { s.second_offset = ~0ull - 31; }, {"'b'"}},
      {"data cut short", [](Sample& s) { s.data = 96; }, {"'b'", "32 bytes at offset 96"}},
      {"no data at all", [](Sample& s) { s.data = 0; }, {"'a'"}},
      {"overlap", [](Sample& s) { s.second_offset = 64; }, {"'b'", "after that of 'a'", "offset 64"}},
      {"same place", [](Sample& s) { s.second_offset = 0; }, {"after that of"}},
  };
  for (const Broken& row : table) {
    SCOPED_TRACE(row.what);
    Sample sample;
    row.change(sample);
    const std::string text = sample.text();
    std::vector<std::string> parts = row.parts;
    parts.insert(parts.begin(), "bad.gguf");
    testing::expect_error(row.kind, parts, [&] { GgufFile(testing::as_bytes(text), "bad.gguf"); });
  }
}

TEST(Gguf, EveryTruncationIsRefused) {
  const std::string text = Sample().text();
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::string cut = text.substr(0, size);
    EXPECT_THROW(GgufFile(testing::as_bytes(cut), "cut"), Error) << size;
  }
}

}  // namespace
}  // namespace moe
