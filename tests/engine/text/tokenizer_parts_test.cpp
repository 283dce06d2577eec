// The parts by themselves: UTF-8, Unicode, patterns, tries, merges.
#include <gtest/gtest.h>

#include <random>

#include "engine/base/error.h"
#include "engine/base/utf8.h"
#include "engine/text/added_tokens.h"
#include "engine/text/bpe.h"
#include "engine/text/known_patterns.h"
#include "engine/text/regex.h"
#include "engine/text/unicode.h"

namespace moe {
namespace {

TEST(Utf8, ReplacesMaximalParts) {
  const std::pair<std::string, int> cases[] = {
      {"\xff", 1},         {"\xc3", 1},         {"\xe2\x82", 1},     {"\xf0\x9f\x98", 1},
      {"\xed\xa0\x80", 3}, {"\xc0\xaf", 2},     {"\xe0\x80\xaf", 3}, {"\xf4\x90\x80\x80", 4},
      {"\x80\x80", 2},     {"\xf0\x80\x80", 3}, {"\xe1\x80\xc3", 2}, {"\xf5\x80", 2}};
  for (const auto& [bytes, marks] : cases) {
    std::string expected = "a";
    for (int i = 0; i < marks; ++i) expected += "\xef\xbf\xbd";
    EXPECT_EQ(utf8::replace_invalid("a" + bytes + "b"), expected + "b") << testing::PrintToString(bytes);
    EXPECT_EQ(utf8::valid_prefix("a" + bytes + "b"), 1u);
  }
  EXPECT_EQ(utf8::replace_invalid("\xf4\x8f\xbf\xbf\xef\xbf\xbf\xed\x9f\xbf"),
            "\xf4\x8f\xbf\xbf\xef\xbf\xbf\xed\x9f\xbf");
}

TEST(Utf8, RoundTripsEveryCodePoint) {
  for (char32_t c = 0; c < 0x110000; c = c == 0xd7ff ? 0xe000 : c + 1) {
    const std::string text = utf8::encode(c);
    ASSERT_EQ(utf8::valid_prefix(text), text.size()) << static_cast<unsigned>(c);
    std::size_t at = 0;
    ASSERT_EQ(utf8::next(text, at), c);
    ASSERT_EQ(at, text.size());
    ASSERT_EQ(utf8::previous(text, at), c);
    ASSERT_EQ(at, 0u);
  }
}

TEST(Unicode, NormalizesMarksAndHangul) {
  using unicode::Form;
  const auto n = [](const char* text, Form form) { return unicode::normalize(text, form); };
  EXPECT_EQ(n("e\u0301x", Form::nfc), "\u00e9x");
  EXPECT_EQ(n("\u00e9", Form::nfd), "e\u0301");
  EXPECT_EQ(n("a\u0315\u0300\u05ae\u0334b", Form::nfc), "\u00e0\u0334\u05ae\u0315b") << "order of classes";
  EXPECT_EQ(n("\u1100\u1161\u11a8", Form::nfc), "\uac01");
  EXPECT_EQ(n("\uac00\u11a8", Form::nfc), "\uac01");
  EXPECT_EQ(n("\uac01", Form::nfd), "\u1100\u1161\u11a8");
  EXPECT_EQ(n("\ufb01\u00bd\u2126", Form::nfkc), "fi1\u20442\u03a9");
  EXPECT_EQ(n("\u0344\u0958", Form::nfc), "\u0308\u0301\u0915\u093c") << "excluded from composition";
  EXPECT_TRUE(unicode::surely_normalized("plain \u00e9\uac01\u65e5", Form::nfc));
  EXPECT_FALSE(unicode::surely_normalized("e\u0301", Form::nfc));
}

TEST(Unicode, NormalizingTwiceChangesNothing) {
  std::mt19937 random(3);
  const char32_t pool[] = {'a',    'e',    0x300,  0x301,  0x315,  0x323,   0x334,   0x5b0,
                           0x1100, 0x1161, 0x11a8, 0xac00, 0xe9,   0x1e9b,  0xfb01,  0x3099,
                           0x304b, 0x9c7,  0x9be,  0x344,  0x212b, 0x1d15e, 0x11935, 0x11930};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (unsigned k = random() % 8; k-- > 0;) utf8::append(text, pool[random() % std::size(pool)]);
    for (const auto form :
         {unicode::Form::nfc, unicode::Form::nfd, unicode::Form::nfkc, unicode::Form::nfkd}) {
      const std::string once = unicode::normalize(text, form);
      ASSERT_EQ(unicode::normalize(once, form), once) << testing::PrintToString(text);
    }
  }
}

TEST(Unicode, LowerCase) {
  EXPECT_EQ(unicode::lower("ABC\u0130\u00c4\u01c5\u1e9e\u03a3\U00010400"),
            "abci\u0307\u00e4\u01c6\u00df\u03c3\U00010428");
}

std::vector<std::string> pieces(const char* pattern, std::string_view text) {
  const Regex regex(pattern, "", "");
  Regex::Matches matches(regex, text);
  std::vector<std::string> out;
  for (std::size_t start, end; matches.next(start, end);) out.emplace_back(text.substr(start, end - start));
  return out;
}

TEST(Regex, ReadsOnigurumasDialect) {
  using List = std::vector<std::string>;
  EXPECT_EQ(pieces(R"(\s)", "a\u180e\u0085b"), List{"\u0085"}) << "White_Space";
  EXPECT_EQ(pieces(R"(\w+)", "a\u0301b\u2160-\u00b2"), (List{"a\u0301b\u2160", "\u00b2"}));
  EXPECT_EQ(pieces(R"(\h+)", "xyzbeef01"), List{"beef01"}) << "hexadecimal digits";
  EXPECT_EQ(pieces(R"((?m)a.b)", "a\nb"), List{"a\nb"}) << "the dot and a newline";
  EXPECT_EQ(pieces(R"(^b$)", "a\nb\nc"), List{"b"}) << "lines";
  EXPECT_EQ(pieces(R"(\d{1,3}+)", "1234567"), List{"1234567"}) << "a repeated interval, not a possessive one";
  EXPECT_EQ(pieces(R"(a{,2})", "aaa"), (List{"aa", "a"}));
  EXPECT_EQ(pieces(R"([\S]+)", "a\u180e \xc2\xa0z"), (List{"a\u180e", "z"}));
  EXPECT_EQ(pieces("x*", "axb"), (List{"", "x", ""}));
  EXPECT_EQ(pieces(R"(\p{Lu})", "\U00010d50"), List{"\U00010d50"}) << "assigned after PCRE2's tables";
}

TEST(KnownPatterns, EqualPcre2) {
  std::mt19937 random(5);
  const char* parts[] = {"a",          "B",      "Z",        "z",          "1",      "2",          " ",
                         "  ",         "\n",     "\r\n",     "\t",         "'",      "'s",         "'S",
                         "'re",        "'LL",    "'\u017f",  "!",          "=",      "/",          "_",
                         "\u00e9",     "\u0301", "\u65e5",   "\u01c5",     "\u02b0", "\u0660",     "\u00bd",
                         "\u2028",     "\u3000", "\xc2\xa0", "\U0001f642", "\u200d", "\U00010d50", "\u1c89",
                         "\U0001e4d0", "\u180e", "\u2160",   "\u0903",     "\x1c",   "\u0085"};
  for (const auto pattern :
       {KnownPattern::gpt2, KnownPattern::llama3, KnownPattern::qwen2, KnownPattern::o200k}) {
    const Regex regex(pattern_text(pattern), "", "");
    EXPECT_EQ(known_pattern(pattern_text(pattern)), pattern);
    for (int i = 0; i < 60000; ++i) {
      std::string text;
      for (unsigned k = random() % 12 + 1; k-- > 0;) text += parts[random() % std::size(parts)];
      Regex::Matches matches(regex, text);
      std::size_t at = 0, start, end;
      while (matches.next(start, end)) {
        ASSERT_EQ(start, at);
        ASSERT_EQ(match_known(pattern, text, at), end) << testing::PrintToString(text) << " at " << at;
        at = end;
      }
      ASSERT_EQ(at, text.size());
    }
  }
  EXPECT_EQ(known_pattern("x"), KnownPattern::none);
}

TEST(TokenTrie, FindsLeftmostLongest) {
  TokenTrie trie;
  trie.add("ab", 1);
  trie.add("abcd", 2);
  trie.add("bc", 3);
  trie.add("", 4);
  std::size_t start, end;
  std::int32_t id;
  ASSERT_TRUE(trie.find("xabcab", 0, start, end, id));
  EXPECT_EQ(std::tuple(start, end, id), std::tuple(1u, 3u, 1));
  ASSERT_TRUE(trie.find("xabcd", 0, start, end, id));
  EXPECT_EQ(std::tuple(start, end, id), std::tuple(1u, 5u, 2));
  ASSERT_TRUE(trie.find("xabcd", 2, start, end, id));
  EXPECT_EQ(id, 3);
  EXPECT_FALSE(trie.find("", 0, start, end, id));
  EXPECT_FALSE(trie.find("aaa", 0, start, end, id));
}

// Joins the leftmost pair of the lowest rank until none is left: the definition, slowly.
std::vector<std::int32_t> merge_slowly(const std::string& word,
                                       const std::vector<std::pair<std::string, std::string>>& merges,
                                       const Vocab& vocab) {
  std::vector<std::string> parts;
  for (const char c : word) parts.emplace_back(1, c);
  for (;;) {
    std::size_t best = parts.size(), rank = merges.size();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
      for (std::size_t r = 0; r < rank; ++r)
        if (merges[r].first == parts[i] && merges[r].second == parts[i + 1]) rank = r, best = i;
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  std::vector<std::int32_t> ids;
  for (const std::string& part : parts) ids.push_back(vocab.find(part));
  return ids;
}

TEST(Bpe, ShortAndLongWordsFollowTheDefinition) {
  std::mt19937 random(11);
  for (int round = 0; round < 30; ++round) {
    Bpe::Builder builder("test");
    std::uint64_t next = 0;
    std::vector<std::string> tokens = {"a", "b", "c", "d"};
    for (const std::string& token : tokens) builder.vocab().add(token, next++, "test");
    std::vector<std::pair<std::string, std::string>> merges;
    for (int i = 0; i < 150; ++i) {  // more than are looked up together
      const std::string left = tokens[random() % tokens.size()], right = tokens[random() % tokens.size()];
      if (left.size() + right.size() > 12 || builder.vocab().find(left + right) >= 0) continue;
      builder.vocab().add(left + right, next++, "test");
      tokens.push_back(left + right);
      merges.emplace_back(left, right);
    }
    std::vector<std::string_view> parts;
    for (const auto& [left, right] : merges) parts.insert(parts.end(), {left, right});
    const std::size_t first = random() % (merges.size() + 1) * 2;  // in two calls, of all sizes
    builder.add_merges(std::span(parts).first(first));
    builder.add_merges(std::span(parts).subspan(first));
    const auto bpe = builder.build();
    for (int i = 0; i < 200; ++i) {
      std::string word;
      for (unsigned k = random() % 120 + 1; k-- > 0;) word += static_cast<char>('a' + random() % 4);
      std::vector<std::int32_t> ids;
      bpe->encode(word, ids);
      ASSERT_EQ(ids, merge_slowly(word, merges, bpe->vocab())) << word;
    }
  }
}

}  // namespace
}  // namespace moe
