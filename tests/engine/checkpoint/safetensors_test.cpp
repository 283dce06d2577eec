// The safetensors reader: every kind of fault by its message, and what must be accepted.
#include "engine/checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/engine/checkpoint/safetensors_text.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

using test::entry;
using test::expect_error;
using test::file_with;
using test::safetensors;
using test::with_length;

struct Broken {
  const char* what;
  std::string bytes;
  ErrorKind kind;
  std::string thing;
  std::string expected;
  std::string found;
};

std::vector<Broken> broken_files() {
  constexpr ErrorKind kFormat = ErrorKind::format;
  const std::string a = entry("a", "F32", "[2]", "[0,8]");
  const std::string ta = "tensor \"a\"";
  const auto one = [](std::string_view body) { return safetensors("{\"a\":" + std::string(body) + "}", 8); };
  std::string many = "[1";
  for (int i = 0; i < 64; ++i) many += ",1";
  return {
      {"no length field", "\1\2\3", kFormat, "header length", "8 bytes", "a file of 3 bytes"},
      {"length past the end", with_length(100, "{}"), kFormat, "header length", "at most 2 bytes",
       "100 bytes"},
      {"length beyond the bound", with_length(100'000'001, "{}"), ErrorKind::limit, "header length",
       "at most 100000000 bytes", "100000001 bytes"},
      {"length of all ones", with_length(~std::uint64_t{0}, "{}"), ErrorKind::limit, "header length",
       "at most 100000000 bytes", "18446744073709551615 bytes"},
      {"empty header", safetensors(""), kFormat, "safetensors header", "'{' as its first byte",
       "an empty header"},
      {"header begins with a space", safetensors(" {}"), kFormat, "safetensors header", "'{'", "byte 0x20"},
      {"header is an array", safetensors("[]"), kFormat, "safetensors header", "'{'", "byte 0x5b"},
      {"header is no JSON", safetensors("{,}"), kFormat, "JSON, line 1, column 2", "a key in double quotes",
       "','"},
      {"header is cut", safetensors("{\"a\":"), kFormat, "JSON, line 1, column 6", "a value",
       "the end of the text"},
      {"JSON after the header", safetensors("{}{}"), kFormat, "JSON, line 1, column 3", "the end of the text",
       "'{'"},
      {"zero byte after the header", safetensors(std::string("{}\0", 3)), kFormat, "column 3",
       "the end of the text", "byte 0x00"},
      {"header too deep", one("[[[[1]]]]"), kFormat, ta, "an object", "an array"},
      {"entry too deep", one("{\"shape\":[[[[1]]]]}"), ErrorKind::limit, "JSON, line 1, column 16",
       "at most 3 nested arrays and objects", "more"},
      {"name is no UTF-8", safetensors("{\"\xff\":{}}"), kFormat, "column 3", "UTF-8", "byte 0xff"},
      {"name twice", file_with(16, a, entry("a", "F32", "[2]", "[8,16]")), kFormat, ta, "one entry",
       "a second one"},
      {"name twice, once escaped", file_with(16, a, entry("\\u0061", "F32", "[2]", "[8,16]")), kFormat, ta,
       "one entry", "a second one"},
      {"entry is a number", one("1"), kFormat, ta, "an object with dtype, shape and data_offsets", "1"},
      {"entry is null", one("null"), kFormat, ta, "an object with dtype, shape and data_offsets", "null"},
      {"no dtype", one(R"({"shape":[2],"data_offsets":[0,8]})"), kFormat, ta, "key \"dtype\"", "none"},
      {"no shape", one(R"({"dtype":"F32","data_offsets":[0,8]})"), kFormat, ta, "key \"shape\"", "none"},
      {"no data_offsets", one(R"({"dtype":"F32","shape":[2]})"), kFormat, ta, "key \"data_offsets\"", "none"},
      {"unknown key", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"strides":[1]})"), kFormat, ta,
       "only dtype, shape and data_offsets", "key \"strides\""},
      {"dtype twice", one(R"({"dtype":"F32","dtype":"F32"})"), kFormat, ta, "dtype once", "a second one"},
      {"shape twice", one(R"({"shape":[2],"shape":[2]})"), kFormat, ta, "shape once", "a second one"},
      {"data_offsets twice", one(R"({"data_offsets":[0,8],"data_offsets":[0,8]})"), kFormat, ta,
       "data_offsets once", "a second one"},
      {"dtype unknown", file_with(8, entry("a", "F33", "[2]", "[0,8]")), kFormat, ta, "dtype F64, F32",
       "\"F33\""},
      {"dtype in lower case", file_with(8, entry("a", "f32", "[2]", "[0,8]")), kFormat, ta, "dtype F64",
       "\"f32\""},
      {"dtype of 4 bits", file_with(8, entry("a", "F4", "[16]", "[0,8]")), ErrorKind::unsupported, ta,
       "dtype F64", "\"F4\""},
      {"dtype complex", file_with(8, entry("a", "C64", "[1]", "[0,8]")), ErrorKind::unsupported, ta,
       "dtype F64", "\"C64\""},
      {"dtype is a number", one(R"({"dtype":32})"), kFormat, ta, "dtype as a string", "32"},
      {"shape is a number", one(R"({"shape":2})"), kFormat, ta, "shape as an array", "2"},
      {"shape negative", file_with(8, entry("a", "F32", "[-2]", "[0,8]")), kFormat, ta,
       "shape of non-negative 64-bit integers", "-2"},
      {"shape fractional", file_with(8, entry("a", "F32", "[2.5]", "[0,8]")), kFormat, ta,
       "shape of non-negative 64-bit integers", "2.5"},
      {"shape of strings", file_with(8, entry("a", "F32", "[\"2\"]", "[0,8]")), kFormat, ta,
       "shape of non-negative 64-bit integers", "\"2\""},
      {"shape entry beyond 63 bits", file_with(8, entry("a", "F32", "[9223372036854775808]", "[0,8]")),
       kFormat, ta, "shape of non-negative 64-bit integers", "9223372036854775808"},
      {"shape entry beyond 64 bits", file_with(8, entry("a", "F32", "[18446744073709551616]", "[0,8]")),
       kFormat, ta, "shape of non-negative 64-bit integers", "1.8446744073709552e+19"},
      {"shape product overflows", file_with(8, entry("a", "F32", "[4294967296,4294967296]", "[0,8]")),
       kFormat, ta, "shape whose size fits 64 bits", "[4294967296, 4294967296]"},
      {"shape product overflows to the right size",
       file_with(8, entry("a", "U8", "[4294967296,4294967296,8]", "[0,8]")), kFormat, ta,
       "shape whose size fits 64 bits", "[4294967296, 4294967296, 8]"},
      {"size overflows by dtype", file_with(8, entry("a", "F64", "[4611686018427387904]", "[0,8]")), kFormat,
       ta, "shape whose size fits 64 bits", "[4611686018427387904]"},
      {"too many dimensions", file_with(4, entry("a", "F32", many + "]", "[0,4]")), ErrorKind::limit, ta,
       "shape of at most 64 dimensions", "more"},
      {"offsets are an object", one(R"({"data_offsets":{}})"), kFormat, ta, "data_offsets as [begin, end]",
       "an object"},
      {"one offset", file_with(8, entry("a", "F32", "[2]", "[0]")), kFormat, ta,
       "data_offsets as [begin, end]", "fewer than two numbers"},
      {"three offsets", file_with(8, entry("a", "F32", "[2]", "[0,8,8]")), kFormat, ta,
       "data_offsets as [begin, end]", "more than two numbers"},
      {"negative offset", file_with(8, entry("a", "F32", "[2]", "[-8,0]")), kFormat, ta,
       "data_offsets as [begin, end]", "-8"},
      {"fractional offset", file_with(8, entry("a", "F32", "[2]", "[0,8.0]")), kFormat, ta,
       "data_offsets as [begin, end]", "8"},
      {"offsets reversed", file_with(8, entry("a", "F32", "[2]", "[8,0]")), kFormat, ta,
       "data_offsets with begin <= end", "data_offsets [8, 0]"},
      {"offsets outside", file_with(8, entry("a", "F32", "[4]", "[0,16]")), kFormat, ta,
       "inside the 8 bytes of data", "data_offsets [0, 16]"},
      {"offsets far outside",
       file_with(8, entry("a", "U8", "[0]", "[18446744073709551615,18446744073709551615]")), kFormat, ta,
       "inside the 8 bytes of data", "data_offsets [18446744073709551615, 18446744073709551615]"},
      {"file cut short", file_with(8, a).substr(0, file_with(8, a).size() - 1), kFormat, ta,
       "inside the 7 bytes of data (is the file cut short?)", "data_offsets [0, 8]"},
      {"size too small for the shape", file_with(8, entry("a", "F32", "[3]", "[0,8]")), kFormat, ta,
       "12 bytes for F32 [3]", "8 bytes in data_offsets [0, 8]"},
      {"size too large for the shape", file_with(8, entry("a", "BF16", "[]", "[0,8]")), kFormat, ta,
       "2 bytes for BF16 []", "8 bytes in data_offsets [0, 8]"},
      {"overlap", file_with(12, a, entry("b", "F32", "[2]", "[4,12]")), kFormat, "tensor \"b\"",
       "data_offsets that begin at 8, the end of tensor \"a\"", "an overlap at [4, 12]"},
      {"same place twice", file_with(8, a, entry("b", "F32", "[2]", "[0,8]")), kFormat, "tensor \"b\"",
       "data_offsets that begin at 8", "an overlap at [0, 8]"},
      {"empty tensor inside another", file_with(8, a, entry("b", "F32", "[0]", "[4,4]")), kFormat,
       "tensor \"b\"", "data_offsets that begin at 8", "an overlap at [4, 4]"},
      {"hole between", file_with(20, a, entry("b", "F32", "[2]", "[12,20]")), kFormat, "tensor \"b\"",
       "data_offsets that begin at 8, the end of tensor \"a\"", "a hole at [12, 20]"},
      {"hole at the start", file_with(12, entry("a", "F32", "[2]", "[4,12]")), kFormat, ta,
       "data_offsets that begin at 0, the start of the data", "a hole at [4, 12]"},
      {"bytes after the last tensor", file_with(9, a), kFormat, "data", "8 bytes, as the tensors take",
       "9 bytes"},
      {"data without tensors", safetensors("{}", 1), kFormat, "data", "0 bytes, as the tensors take",
       "1 bytes"},
      {"metadata is an array", safetensors(R"({"__metadata__":[]})"), kFormat, "__metadata__",
       "an object of strings", "an array"},
      {"metadata holds a number", safetensors(R"({"__metadata__":{"k":1}})"), kFormat,
       "__metadata__, key \"k\"", "a string", "1"},
      {"metadata twice", safetensors(R"({"__metadata__":{},"__metadata__":{}})"), kFormat, "__metadata__",
       "one entry", "a second one"},
      {"metadata key twice", safetensors(R"({"__metadata__":{"k":"a","k":"b"}})"), kFormat,
       "__metadata__, key \"k\"", "one entry", "a second one"},
  };
}

TEST(Safetensors, EveryFaultNamesFileThingExpectedAndFound) {
  const test::TempDir folder;
  for (const Broken& broken : broken_files()) {
    SCOPED_TRACE(broken.what);
    const auto file = folder.write("broken.safetensors", broken.bytes);
    expect_error(broken.kind,
                 {file.string() + ": ", broken.thing + ": expected ", "expected ", broken.expected,
                  "found " + broken.found},
                 [&] { SafetensorsFile::open(file); });
  }
}

TEST(Safetensors, DeepHeaderIsBounded) {
  const std::string deep = safetensors("{\"__metadata__\":{\"k\":" + std::string(5'000'000, '['));
  EXPECT_THROW(read_safetensors(std::as_bytes(std::span(deep)), "f"), Error);
}

TEST(Safetensors, CutAnywhereIsAnError) {
  const std::string whole =
      file_with(24, entry("a", "F32", "[2]", "[0,8]"), entry("b", "F64", "[2]", "[8,24]"));
  EXPECT_NO_THROW(read_safetensors(std::as_bytes(std::span(whole)), "f"));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_THROW(read_safetensors(std::as_bytes(std::span(whole)).first(n), "f"), Error) << n;
  }
}

TEST(Safetensors, HostileNamesStayOnOneLine) {
  const std::string bytes = file_with(8, entry("a\\nb\\u001b[31m", "F33", "[2]", "[0,8]"));
  expect_error(ErrorKind::format, {"a\\x0ab\\x1b[31m"},
               [&] { read_safetensors(std::as_bytes(std::span(bytes)), "f"); });
}

TEST(Safetensors, AcceptsWhatTheFormatAllows) {
  const test::TempDir folder;
  // Out of order, scalars, empty tensors at both ends and between, unaligned, a padded header, odd names.
  const std::string header = "{" + entry("last", "F64", "[1]", "[7,15]") + "," +
                             entry("scalar", "F32", "[]", "[0,4]") + "," + entry("", "I8", "[3,1]", "[4,7]") +
                             "," + entry("none", "BF16", "[0,7]", "[0,0]") + "," +
                             entry("end", "U8", "[0]", "[15,15]") + "," +
                             entry("\\u00e9\\\"/", "BOOL", "[2,0,9223372036854775807]", "[4,4]") +
                             R"(,"__metadata__":{"format":"pt","x":""}})" + "     ";
  const auto path = folder.write("ok.safetensors", safetensors(header, 15));
  const SafetensorsFile file = SafetensorsFile::open(path);
  EXPECT_EQ(file.tensors().size(), 6U);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"x", ""}}));
  ASSERT_NE(file.find("scalar"), nullptr);
  EXPECT_TRUE(file.find("scalar")->shape.empty());
  EXPECT_EQ(file.find("scalar")->elements(), 1);
  EXPECT_EQ(file.find("scalar")->data.size(), 4U);
  ASSERT_NE(file.find("last"), nullptr);
  EXPECT_EQ(to_floats(*file.find("last")).size(), 1U) << "eight bytes at an odd address";
  ASSERT_NE(file.find("none"), nullptr);
  EXPECT_EQ(file.find("none")->shape, (std::vector<std::int64_t>{0, 7}));
  EXPECT_TRUE(to_floats(*file.find("none")).empty());
  EXPECT_NE(file.find("\xc3\xa9\"/"), nullptr);
  EXPECT_NE(file.find(""), nullptr);
  EXPECT_EQ(file.find("nobody"), nullptr);
  EXPECT_EQ(file.header().size(), 8 + header.size());

  const std::string nothing = safetensors("{}");
  EXPECT_TRUE(read_safetensors(std::as_bytes(std::span(nothing)), "f").tensors.empty());
}

TEST(Safetensors, OpensAHeaderOfManyTensors) {
  std::string header = "{";
  constexpr int kTensors = 40'000;
  for (int i = 0; i < kTensors; ++i) {
    if (i != 0) header += ",";
    header += entry(fmt::format("model.layers.{}.mlp.experts.{}.up_proj.weight", i / 384, i % 384), "U8",
                    "[1]", fmt::format("[{},{}]", i, i + 1));
  }
  const std::string bytes = safetensors(header + "}", kTensors);
  EXPECT_EQ(read_safetensors(std::as_bytes(std::span(bytes)), "f").tensors.size(), std::size_t{kTensors});
}

}  // namespace
}  // namespace moe
