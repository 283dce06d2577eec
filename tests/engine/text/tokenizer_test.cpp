// The tokenizer's interface: loading, naming of special tokens, streaming, threads, limits, and what is
// refused.
#include "engine/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/base/error.h"
#include "engine/base/utf8.h"
#include "engine/text/byte_level.h"
#include "engine/text/decoder.h"

namespace moe {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

json byte_model() {
  json vocab = json::object();
  for (int b = 0; b < 256; ++b)
    vocab[utf8::encode(byte_level::characters()[static_cast<std::size_t>(b)])] = b;
  vocab["he"] = 256;
  vocab["ll"] = 257;
  vocab["hell"] = 258;
  vocab["aa"] = 260;  // 259 is a hole
  return {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", "he ll", "a a"}}};
}

json added(const std::string& content, bool special) {
  return {{"id", 0},         {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

json byte_tokenizer() {
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  return {{"version", "1.0"},
          {"added_tokens", {added("<s>", true), added("<|im_end|>", true), added("<tool>", false)}},
          {"pre_tokenizer", bytes},
          {"decoder", bytes},
          {"model", byte_model()}};
}

std::shared_ptr<const Tokenizer> parse(const json& whole, const json& config = {}, const json& map = {},
                                       Tokenizer::Config use = Tokenizer::Config::apply) {
  return Tokenizer::parse(whole.dump(), "dir/tokenizer.json", use, config.is_null() ? "" : config.dump(),
                          map.is_null() ? "" : map.dump());
}

// The error that loading gives, for its kind and message.
struct Refusal {
  ErrorKind kind;
  std::string message;
};
template <typename Action>
Refusal refusal(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(Tokenizer, EncodesMergesAndAddedTokens) {
  const auto tokenizer = parse(byte_tokenizer());
  EXPECT_EQ(tokenizer->encode("hello"), (Ids{258, 'o'}));
  EXPECT_EQ(tokenizer->encode("<s>hello", false), (Ids{*tokenizer->id("<s>"), 258, 'o'}));
  EXPECT_EQ(tokenizer->encode(""), Ids{});
}

TEST(Tokenizer, KnowsItsVocabulary) {
  const auto tokenizer = parse(byte_tokenizer());
  // 260 tokens in the model, so the first new added token gets the id 260... which "aa" has: as in the
  // library.
  EXPECT_EQ(tokenizer->id("hell"), 258);
  EXPECT_EQ(tokenizer->id("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer->piece(256), "he");
  EXPECT_EQ(tokenizer->piece(-1), "");
  EXPECT_EQ(tokenizer->piece(1 << 30), "");
  EXPECT_TRUE(tokenizer->is_defined(258));
  EXPECT_FALSE(tokenizer->is_defined(259));
  EXPECT_FALSE(tokenizer->is_defined(-1));
  EXPECT_FALSE(tokenizer->is_defined(100000));
  EXPECT_EQ(tokenizer->vocab_size(), 263u);
  EXPECT_TRUE(tokenizer->is_special(*tokenizer->id("<s>")));
  EXPECT_FALSE(tokenizer->is_special(*tokenizer->id("<tool>")));
}

TEST(Tokenizer, DecodesAndLeavesSpecialTokensOut) {
  const auto tokenizer = parse(byte_tokenizer());
  const Ids ids = tokenizer->encode("<s>hello<tool> h\xc3\xa9<|im_end|>");
  EXPECT_EQ(tokenizer->decode(ids), "<s>hello<tool> h\xc3\xa9<|im_end|>");
  EXPECT_EQ(tokenizer->decode(ids, true), "hello<tool> h\xc3\xa9");
  EXPECT_EQ(tokenizer->decode(Ids{-5, 259, 1 << 20}), "");
}

TEST(Tokenizer, InvalidUtf8BecomesReplacementCharacters) {
  const auto tokenizer = parse(byte_tokenizer());
  // As Python: bytes(...).decode("utf-8", errors="replace")
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xff\xe2\x82z\xed\xa0\x80\xf0\x9f\x98")),
            "a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Tokenizer, NamesSpecialTokensFromEitherFile) {
  const auto tokenizer =
      parse(byte_tokenizer(),
            {{"bos_token", "<s>"}, {"eos_token", {{"content", "<|im_end|>"}}}, {"pad_token", nullptr}},
            {{"bos_token", "<tool>"}, {"pad_token", "<tool>"}, {"unk_token", "he"}});
  EXPECT_EQ(tokenizer->bos_token(), "<s>");
  EXPECT_EQ(tokenizer->bos_id(), tokenizer->id("<s>"));
  EXPECT_EQ(tokenizer->eos_token(), "<|im_end|>");
  EXPECT_EQ(tokenizer->pad_token(), "") << "null in the config wins";
  EXPECT_EQ(tokenizer->pad_id(), std::nullopt);
  EXPECT_EQ(tokenizer->unk_id(), 256);
}

TEST(Tokenizer, AddsTokensOnlyTheConfigNames) {
  const json config = {{"added_tokens_decoder", {{"300", {{"content", "<new>"}, {"special", true}}}}},
                       {"extra_special_tokens", {"<more>"}}};
  const auto with = parse(byte_tokenizer(), config);
  EXPECT_EQ(with->encode("<new>"), Ids{263});
  EXPECT_EQ(with->encode("<more>"), Ids{264});
  EXPECT_TRUE(with->is_special(263));
  const auto without = parse(byte_tokenizer(), config, {}, Tokenizer::Config::ignore);
  EXPECT_EQ(without->id("<new>"), std::nullopt);
  EXPECT_EQ(without->encode("<new>").size(), 5u);
}

TEST(Tokenizer, FlagsPutBosAndEosAroundOnlyWhenAsked) {
  const json config = {{"tokenizer_class", "LlamaTokenizerFast"},
                       {"bos_token", "<s>"},
                       {"eos_token", "<|im_end|>"},
                       {"add_bos_token", true},
                       {"add_eos_token", true}};
  const auto as_five = parse(byte_tokenizer(), config);
  EXPECT_EQ(as_five->encode("hell"), Ids{258});
  EXPECT_EQ(as_five->add_bos_token(), true);
  const auto as_four = parse(byte_tokenizer(), config, {}, Tokenizer::Config::apply_flags);
  EXPECT_EQ(as_four->encode("hell"), (Ids{*as_four->bos_id(), 258, *as_four->eos_id()}));
  EXPECT_EQ(as_four->encode("hell", false), Ids{258});
  json other = config;
  other["tokenizer_class"] = "PreTrainedTokenizerFast";
  EXPECT_EQ(parse(byte_tokenizer(), other, {}, Tokenizer::Config::apply_flags)->encode("hell"), Ids{258});
}

TEST(Tokenizer, CleanUpIsWantedForModelsOtherThanBpe) {
  const json config = {{"clean_up_tokenization_spaces", true}};
  EXPECT_FALSE(parse(byte_tokenizer(), config)->wants_clean_up());
  const json words = {{"model", {{"type", "WordLevel"}, {"vocab", {{"u", 0}}}, {"unk_token", "u"}}}};
  EXPECT_TRUE(parse(words, config)->wants_clean_up());
  EXPECT_FALSE(parse(words)->wants_clean_up());
  EXPECT_EQ(clean_up_spaces("It 's fine , is n't it ? ' x ' ."), "It's fine, isn't it?'x '.");
}

TEST(Tokenizer, StreamNeverEmitsHalfACharacter) {
  const auto tokenizer = parse(byte_tokenizer());
  const std::string text = "h\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82!";
  StreamDecoder stream(tokenizer);
  std::string out;
  for (const std::int32_t id : tokenizer->encode(text)) {
    const std::string part = stream.push(id);
    EXPECT_EQ(utf8::valid_prefix(part), part.size());
    out += part;
  }
  EXPECT_EQ(out, text) << "nothing is held back at the end of whole characters";
  EXPECT_EQ(stream.finish(), "");
  // A character that never ends comes out as one bad one, and the decoder starts afresh.
  EXPECT_EQ(stream.push(0xf0), "");
  EXPECT_EQ(stream.push(0x9f), "");
  EXPECT_EQ(stream.finish(), "\xef\xbf\xbd");
  EXPECT_EQ(stream.push('h'), "h");
}

TEST(Tokenizer, ThreadsShareOne) {
  const auto tokenizer = parse(byte_tokenizer());
  const auto other = parse({{"model", byte_model()}});
  const std::string text = "hello aaaa <s> well, hell hath no aaaaaa\n";
  const Ids expected = tokenizer->encode(text), plain = other->encode("hellaa");
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        wrong += (tokenizer->encode(text) != expected) + (other->encode("hellaa") != plain);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Tokenizer, LongLinesAreNotQuadratic) {
  json whole = byte_tokenizer();
  whole.erase("added_tokens");
  const auto tokenizer = parse(whole);
  const auto start = std::chrono::steady_clock::now();
  for (const std::string unit : {"a", "hell", " ", "\n", "0", "=-", "\xc3\xa9"}) {
    std::string text;
    while (text.size() < 1 << 20) text += unit;
    const Ids ids = tokenizer->encode(text);
    EXPECT_TRUE(tokenizer->decode(ids) == text) << unit;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

// However long a file allows words to be, and whatever tokens nearly match at each place.
TEST(Tokenizer, LongWordsOfPiecesAreNotQuadratic) {
  json vocab = {{"[UNK]", 0}, {"a", 1}, {"##a", 2}, {"##\u00e9", 3}, {"##a\u00e9", 4}};
  vocab["##" + std::string(1000, 'a') + "b"] = 5;
  const auto tokenizer = parse({{"model",
                                 {{"type", "WordPiece"},
                                  {"vocab", vocab},
                                  {"unk_token", "[UNK]"},
                                  {"continuing_subword_prefix", "##"},
                                  {"max_input_chars_per_word", 1'000'000'000}}}});
  EXPECT_EQ(tokenizer->encode("aaa\u00e9\u00e9a"), (Ids{1, 2, 4, 3, 2}));
  EXPECT_EQ(tokenizer->encode("aab"), Ids{0});
  EXPECT_EQ(tokenizer->encode("a" + std::string(1000, 'a') + "b"), (Ids{1, 5}));
  const std::clock_t start = std::clock();
  EXPECT_EQ(tokenizer->encode(std::string(200'000, 'a')).size(), 200'000U);
  EXPECT_LT(std::clock() - start, 8 * CLOCKS_PER_SEC);
}

TEST(Tokenizer, WordPieceWithoutAPrefix) {
  const json model = {{"type", "WordPiece"},
                      {"vocab", {{"u", 0}, {"ab", 1}, {"c", 2}}},
                      {"unk_token", "u"},
                      {"max_input_chars_per_word", 4}};
  const auto with_prefix = [&](const char* prefix) {
    json whole = {{"model", model}};
    whole["model"]["continuing_subword_prefix"] = prefix;
    return parse(whole);
  };
  EXPECT_EQ(with_prefix("")->encode("abcc"), (Ids{1, 2, 2}));
  EXPECT_EQ(with_prefix("")->encode("abccc"), Ids{0}) << "longer than a word may be";
  EXPECT_EQ(with_prefix("zz")->encode("ab"), Ids{1});
  EXPECT_EQ(with_prefix("zz")->encode("abc"), Ids{0}) << "no token continues a word";
}

TEST(Tokenizer, LoadsADirectoryOrAFile) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "tokenizer_load";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "tokenizer.json") << byte_tokenizer().dump();
  EXPECT_EQ(Tokenizer::load(folder)->encode("hell"), Ids{258});
  EXPECT_EQ(Tokenizer::load(folder / "tokenizer.json")->bos_token(), "");
  std::ofstream(folder / "special_tokens_map.json") << R"({"bos_token": "<s>"})";
  EXPECT_EQ(Tokenizer::load(folder)->bos_token(), "<s>");
  std::ofstream(folder / "tokenizer_config.json") << "[1]";
  const Refusal bad = refusal([&] { Tokenizer::load(folder); });
  EXPECT_THAT(bad.message, HasSubstr("tokenizer_config.json"));
  std::filesystem::remove_all(folder);
  EXPECT_EQ(refusal([&] { Tokenizer::load(folder); }).kind, ErrorKind::io);
}

// Each fault gives one line that names the file, the thing and what was found.
TEST(TokenizerErrors, AreTyped) {
  const auto with = [](const char* pointer, const json& value) {
    json whole = byte_tokenizer();
    whole[json::json_pointer(pointer)] = value;
    return refusal([&] { parse(whole); });
  };
  struct Case {
    const char* pointer;
    json value;
    ErrorKind kind;
    const char* part;
  };
  const json split = {{"type", "Split"}, {"behavior", "Isolated"}, {"invert", false}};
  const json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  const auto sequence = [](const char* kind, const json& step, std::size_t count) {
    return json{{"type", "Sequence"}, {kind, std::vector<json>(count, step)}};
  };
  const auto regex = [&](const char* pattern) {
    json out = split;
    out["pattern"] = {{"Regex", pattern}};
    return out;
  };
  const Case cases[] = {
      {"/model/type", "Magic", ErrorKind::unsupported, "'Magic'"},
      {"/model/vocab", json::array(), ErrorKind::format, "an object"},
      {"/model/vocab/he", -1, ErrorKind::format, "'he'"},
      {"/model/vocab/he", 1ull << 40, ErrorKind::limit, "'he'"},
      {"/model/vocab/he", "x", ErrorKind::format, "'he'"},
      {"/model/merges", json::parse(R"(["h e x"])"), ErrorKind::format, "'h e x'"},
      {"/model/merges", json::parse(R"([["h", "zzz"]])"), ErrorKind::format, "'zzz'"},
      {"/model/merges", json::parse(R"([["h", "o"]])"), ErrorKind::format, "'ho'"},
      {"/model/merges", 7, ErrorKind::format, "model.merges"},
      {"/model/dropout", 0.1, ErrorKind::unsupported, "model.dropout"},
      {"/model/fuse_unk", "yes", ErrorKind::format, "fuse_unk"},
      {"/normalizer", {{"type", "Upside"}}, ErrorKind::unsupported, "'Upside'"},
      {"/normalizer", {{"type", "Strip"}}, ErrorKind::format, "strip_left"},
      {"/normalizer",
       {{"type", "Precompiled"}, {"precompiled_charsmap", "####"}},
       ErrorKind::format,
       "charsmap"},
      {"/pre_tokenizer", {{"type", "Chop"}}, ErrorKind::unsupported, "'Chop'"},
      {"/pre_tokenizer", regex("(a"), ErrorKind::unsupported, "'(a'"},
      {"/pre_tokenizer", regex("[a&&b]"), ErrorKind::unsupported, "&&"},
      {"/pre_tokenizer", regex("[a[b]]"), ErrorKind::unsupported, "set within a set"},
      {"/pre_tokenizer", regex("a\\"), ErrorKind::unsupported, "backslash"},
      {"/pre_tokenizer", sequence("pretokenizers", byte_level, 40), ErrorKind::limit, "ByteLevel"},
      {"/pre_tokenizer", sequence("pretokenizers", {{"type", "Whitespace"}}, 1000), ErrorKind::limit,
       "steps"},
      {"/normalizer", sequence("normalizers", {{"type", "NFD"}}, 1000), ErrorKind::limit, "steps"},
      {"/post_processor", {{"type", "Frame"}}, ErrorKind::unsupported, "'Frame'"},
      {"/decoder", {{"type", "Enigma"}}, ErrorKind::unsupported, "'Enigma'"},
      {"/added_tokens/0/content", 5, ErrorKind::format, "content"},
      {"/added_tokens/0/content", std::string(5000, 'x'), ErrorKind::limit, "5000 bytes"},
      {"/version", "2.0", ErrorKind::unsupported, "2.0"},
  };
  for (const Case& c : cases) {
    const Refusal r = with(c.pointer, c.value);
    EXPECT_EQ(static_cast<int>(r.kind), static_cast<int>(c.kind)) << c.pointer << ": " << r.message;
    EXPECT_THAT(r.message, HasSubstr(c.part));
    EXPECT_THAT(r.message, HasSubstr("dir/tokenizer.json"));
    EXPECT_EQ(r.message.find('\n'), std::string::npos);
  }
  // What Unigram and WordPiece look up is as long as their longest token.
  const std::string long_token(2000, 'x');
  for (const json& model :
       {json{{"type", "Unigram"},
             {"unk_id", 0},
             {"vocab", json::array({json::array({"u", 0.0}), json::array({long_token, -1.0})})}},
        json{{"type", "WordPiece"},
             {"unk_token", "u"},
             {"continuing_subword_prefix", "##"},
             {"max_input_chars_per_word", 100},
             {"vocab", {{"u", 0}, {long_token, 1}}}}}) {
    const Refusal r = with("/model", model);
    EXPECT_EQ(r.kind, ErrorKind::limit) << r.message;
    EXPECT_THAT(r.message, HasSubstr("token 1: expected at most 1024 bytes, found 2000 bytes"));
  }
  EXPECT_EQ(refusal([] { Tokenizer::parse("{", "x"); }).kind, ErrorKind::format);
  EXPECT_EQ(refusal([] { Tokenizer::parse("{}", "x"); }).message.substr(0, 8), "x: model");
  EXPECT_EQ(refusal([] { Tokenizer::parse("{\"normalizer\":" + std::string(100000, '['), "x"); }).kind,
            ErrorKind::limit);
}

TEST(TokenizerErrors, UnknownWordsNeedAnUnknownToken) {
  const auto tokenizer =
      parse({{"model", {{"type", "WordLevel"}, {"vocab", {{"a", 0}}}, {"unk_token", "u"}}}});
  EXPECT_EQ(tokenizer->encode("a"), Ids{0});
  EXPECT_EQ(refusal([&] { tokenizer->encode("b"); }).kind, ErrorKind::config);
}

TEST(TokenizerErrors, HostilePatternsEndInALimit) {
  json whole = byte_tokenizer();
  for (const char* pattern : {"(a+)+$", "(a|aa)+$", "(?:a*)*b", "(.*)*x"}) {
    whole["pre_tokenizer"] = {
        {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    const auto tokenizer = parse(whole);
    const auto start = std::chrono::steady_clock::now();
    try {
      tokenizer->encode(std::string(300, 'a') + "!");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::limit) << error.what();
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << pattern;
  }
}

}  // namespace
}  // namespace moe
