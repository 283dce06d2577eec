// Messages of errors: one line of valid UTF-8, whatever they quote.
#include "engine/base/error.h"

#include <gtest/gtest.h>

#include "engine/base/utf8.h"

namespace moe {
namespace {

std::string message(const std::string& found) {
  return Error(ErrorKind::format, Fault{"file", "thing", "text", found}).what();
}

TEST(Error, IsOneLine) {
  EXPECT_EQ(message("a\nb\x7f"), "file: thing: expected text, found a\\x0ab\\x7f");
  EXPECT_STREQ(Error(ErrorKind::config, "a\tb").what(), "a\\x09b");
}

TEST(Error, SpellsOutBytesThatAreNoText) {
  EXPECT_EQ(message("\xc3\xa9\xff\xe2\x82z\xf0\x9f\x99\x82"),
            "file: thing: expected text, found \xc3\xa9\\xff\\xe2\\x82z\xf0\x9f\x99\x82");
}

TEST(Error, CutsLongPartsBetweenCharacters) {
  for (std::size_t before = 0; before < 4; ++before) {
    std::string found(before, 'a');
    for (int i = 0; i < 1000; ++i) found += "\xf0\x9f\x99\x82";
    const std::string what = message(found);
    EXPECT_TRUE(utf8::valid(what)) << what;
    EXPECT_LT(what.size(), 450U);
    EXPECT_TRUE(what.ends_with("...")) << what;
  }
}

}  // namespace
}  // namespace moe
