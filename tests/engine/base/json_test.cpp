// JSON: what is accepted and with which value, and each fault by its message.
#include "engine/base/json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

using nlohmann::json;
using test::expect_error;

TEST(Json, ValuesAreThoseOfNlohmann) {
  for (const char* text : {"{}",
                           "[]",
                           "0",
                           "-0",
                           "-1",
                           "18446744073709551615",
                           "18446744073709551616",
                           "-9223372036854775808",
                           "-9223372036854775809",
                           "1.5",
                           "-2.5e-3",
                           "1E5",
                           "0.1",
                           "1e-400",
                           "-1e-400",
                           "0e9999",
                           "4.9e-324",
                           "1e308",
                           "true",
                           "false",
                           "null",
                           R"("")",
                           R"("a\"\\\/\b\f\n\r\t")",
                           R"("\u0041\u00e9\u20ac\ud83d\ude00")",
                           "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                           R"({"b":[1,{"c":null}],"a":{"x":[[],[]]}})",
                           " \t\r\n[ 1 , 2 ] \n",
                           "123456789012345678901234567890",
                           "0.0000000000000000000000000000000000001e-300",
                           "\xef\xbb\xbf[1]"}) {
    const json expected = json::parse(text);
    const json found = parse_json(text, "test");
    EXPECT_EQ(found, expected) << text;
    EXPECT_EQ(found.type(), expected.type()) << text;
    EXPECT_EQ(found.dump(), expected.dump()) << text;
  }
}

struct Broken {
  const char* text;
  const char* place;
  const char* expected;
  const char* found;
};

TEST(Json, FaultsNameFilePlaceExpectedAndFound) {
  const Broken table[] = {
      {"", "line 1, column 1", "a value", "the end of the text"},
      {"[1,\n 2", "line 2, column 3", "',' or ']'", "the end of the text"},
      {"[1,]", "line 1, column 4", "a value", "']'"},
      {"[1 2]", "line 1, column 4", "',' or ']'", "'2'"},
      {"{\"a\":1,}", "line 1, column 8", "a key in double quotes", "'}'"},
      {"{\"a\" 1}", "line 1, column 6", "':'", "'1'"},
      {"{a:1}", "line 1, column 2", "a key in double quotes", "'a'"},
      {"{} x", "line 1, column 4", "the end of the text", "'x'"},
      {"tru", "line 1, column 1", "a value", "'t'"},
      {"NaN", "line 1, column 1", "a value", "'N'"},
      {"[01]", "line 1, column 2", "a number without leading zeros", "a leading zero"},
      {"[1.]", "line 1, column 4", "a digit", "']'"},
      {"[-]", "line 1, column 3", "a digit", "']'"},
      {"[1e+]", "line 1, column 5", "a digit", "']'"},
      {"[1e999]", "line 1, column 2", "a number a double can hold", "1e999"},
      {"\"ab", "line 1, column 1", "a string that ends", "the end of the text"},
      {"\"a\tb\"", "line 1, column 3", "control characters in a string to be escaped", "byte 0x09"},
      {"\"\\x\"", "line 1, column 2", "an escape sequence", "\\x"},
      {"\"\\u12g4\"", "line 1, column 4", "four hexadecimal digits", "12g4"},
      {"\"\\u12", "line 1, column 4", "four hexadecimal digits", "the end of the text"},
      {"\"\\ud800\"", "line 1, column 2", "a surrogate pair", "half of one"},
      {"\"\\udc00\"", "line 1, column 2", "a surrogate pair", "half of one"},
      {"\"\\ud800\\u0041\"", "line 1, column 2", "a surrogate pair", "half of one"},
      {"\"\xff\"", "line 1, column 2", "UTF-8", "byte 0xff"},
      {"\"\xc0\x80\"", "line 1, column 2", "UTF-8", "byte 0xc0"},
      {"\"\xed\xa0\x80\"", "line 1, column 2", "UTF-8", "byte 0xed"},
      {"\"\xf4\x90\x80\x80\"", "line 1, column 2", "UTF-8", "byte 0xf4"},
      {"\"\xe2\x82", "line 1, column 2", "UTF-8", "byte 0xe2"},
      {"{\"a\":1,\n\"b\":2,\"a\":3}", "key \"a\" (line 2, column 7)", "each key once", "a second one"},
      {"{\"a\":1,\"\\u0061\":3}", "key \"a\"", "each key once", "a second one"},
      {"'a'", "line 1, column 1", "a value", "'''"},
      {"/**/1", "line 1, column 1", "a value", "'/'"},
  };
  for (const Broken& broken : table) {
    SCOPED_TRACE(broken.text);
    expect_error(ErrorKind::format,
                 {"some.json", broken.place, std::string("expected ") + broken.expected,
                  std::string("found ") + broken.found},
                 [&] { parse_json(broken.text, "some.json"); });
  }
}

TEST(Json, DepthSizeAndNumberOfValuesAreBounded) {
  JsonLimits limits;
  limits.depth = 3;
  EXPECT_NO_THROW(parse_json("[[[1]]]", "f", limits));
  expect_error(ErrorKind::limit, {"f", "column 4", "at most 3 nested", "more"},
               [&] { parse_json("[[[[1]]]]", "f", limits); });
  expect_error(ErrorKind::limit, {"nested"}, [] { parse_json(std::string(10'000'000, '['), "f"); });
  limits.values = 5;
  EXPECT_NO_THROW(parse_json(R"({"a":1,"b":2})", "f", limits));
  expect_error(ErrorKind::limit, {"f", "at most 5 keys and values", "more"},
               [&] { parse_json("[1,2,3,4,5]", "f", limits); });
  limits.bytes = 4;
  expect_error(ErrorKind::limit, {"f", "at most 4 bytes", "5 bytes"},
               [&] { parse_json("[1,2]", "f", limits); });
  // As deep as a caller may ask: neither parsing nor destruction recurses.
  limits = {};
  limits.depth = 1'000'000;
  EXPECT_NO_THROW(parse_json(std::string(1'000'000, '[') + std::string(1'000'000, ']'), "f", limits));
}

TEST(Json, OptionsForPythonsHabits) {
  JsonLimits limits;
  limits.allow_non_finite = true;
  limits.unique_keys = false;
  const json value = parse_json(R"({"a":NaN,"b":[Infinity,-Infinity],"c":1,"c":2})", "f", limits);
  EXPECT_TRUE(std::isnan(value["a"].get<double>()));
  EXPECT_EQ(value["b"][0].get<double>(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(value["b"][1].get<double>(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(value["c"], 2) << "the last of equal keys counts, as in Python";
  expect_error(ErrorKind::format, {"a digit"}, [] { parse_json("-Infinity", "f"); });
}

TEST(Json, FileErrorsNameTheFile) {
  const test::TempDir folder;
  const auto file = folder.write("broken.json", "{\n\"a\": ]}");
  expect_error(ErrorKind::format, {file.string(), "line 2, column 6", "expected a value, found ']'"},
               [&] { parse_json_file(file); });
  expect_error(ErrorKind::io, {"missing.json"}, [&] { parse_json_file(folder / "missing.json"); });
}

TEST(JsonReader, SkipsWhatNobodyAskedFor) {
  JsonReader reader(R"({"skip":{"a":[1,{"b":2}]},"take":7,"also":"x"})", "f", {});
  reader.expect(JsonEvent::begin_object, "text");
  ASSERT_EQ(reader.next(), JsonEvent::key);
  reader.skip(reader.next());
  ASSERT_EQ(reader.next(), JsonEvent::key);
  EXPECT_EQ(reader.string(), "take");
  ASSERT_EQ(reader.next(), JsonEvent::unsigned_integer);
  EXPECT_EQ(reader.unsigned_integer(), 7U);
  ASSERT_EQ(reader.next(), JsonEvent::key);
  reader.skip(reader.next());
  EXPECT_EQ(reader.next(), JsonEvent::end_object);
  EXPECT_EQ(reader.next(), JsonEvent::end);
  EXPECT_EQ(reader.next(), JsonEvent::end);
}

}  // namespace
}  // namespace moe
