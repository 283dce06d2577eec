// Any bytes as text: the hand-written patterns equal PCRE2, byte-level tokens give the text back, streams
// equal wholes.
#include <nlohmann/json.hpp>

#include "engine/base/utf8.h"
#include "engine/text/byte_level.h"
#include "engine/text/known_patterns.h"
#include "engine/text/regex.h"
#include "engine/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace moe;
using nlohmann::json;

json bytes_model() {
  json vocab = json::object(), merges = json::array();
  for (int b = 0; b < 256; ++b)
    vocab[utf8::encode(byte_level::characters()[static_cast<std::size_t>(b)])] = b;
  int next = 256;
  const std::pair<const char*, const char*> pairs[] = {
      {"a", "a"}, {"aa", "aa"},     {"\xc4\xa0", "a"},        {"\xc3\xa2", "\xc4\xa2"},
      {"1", "2"}, {"aaaa", "aaaa"}, {"\xc4\xa0", "\xc4\xa0"}, {"\xc4\x8a", "\xc4\x8a"},
      {"b", "a"}};
  for (const auto& [left, right] : pairs) {
    vocab[std::string(left) + right] = next++;
    merges.push_back(json::array({left, right}));
  }
  return {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}};
}

json fallback_model() {
  json vocab = {{"<unk>", 0}}, merges = json::array();
  int next = 1;
  for (int b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(b));
    vocab[name] = next++;
  }
  for (const char* token : {"\xe2\x96\x81", "a", "b", "\xc3\xa9", "ab",
                            "\xe2\x96\x81"
                            "a",
                            "aa", "\xe2\x96\x81\xe2\x96\x81"})
    vocab[token] = next++;
  merges = {"a b", "\xe2\x96\x81 a", "a a", "\xe2\x96\x81 \xe2\x96\x81"};
  return {{"type", "BPE"},         {"vocab", vocab},   {"merges", merges},
          {"byte_fallback", true}, {"fuse_unk", true}, {"unk_token", "<unk>"}};
}

std::shared_ptr<const Tokenizer> byte_level_tokenizer(KnownPattern pattern, bool nfc) {
  json whole;
  whole["model"] = bytes_model();
  const json split = {{"type", "Split"},
                      {"pattern", {{"Regex", pattern_text(pattern)}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  whole["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}};
  whole["decoder"] = bytes;
  if (nfc) whole["normalizer"] = {{"type", "NFC"}};
  return Tokenizer::parse(whole.dump(), "fuzz");
}

std::shared_ptr<const Tokenizer> llama_tokenizer() {
  json whole;
  whole["model"] = fallback_model();
  whole["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\xe2\x96\x81"}};
  whole["decoder"] = json::parse(
      R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},
                                     {"type":"ByteFallback"},{"type":"Fuse"}]})");
  return Tokenizer::parse(whole.dump(), "fuzz");
}

std::string streamed(const std::shared_ptr<const Tokenizer>& tokenizer,
                     const std::vector<std::int32_t>& ids) {
  StreamDecoder stream(tokenizer);
  std::string out;
  for (const std::int32_t id : ids) {
    const std::string part = stream.push(id);
    fuzz::check(utf8::valid_prefix(part) == part.size());  // never half a character
    out += part;
  }
  return out + stream.finish();
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string_view text = fuzz::text(data, size);
  const std::string valid = utf8::replace_invalid(text);
  fuzz::check(utf8::valid_prefix(valid) == valid.size());
  static const auto nfc = byte_level_tokenizer(KnownPattern::qwen2, true);
  static const auto llama = llama_tokenizer();
  for (const auto pattern :
       {KnownPattern::gpt2, KnownPattern::llama3, KnownPattern::qwen2, KnownPattern::o200k}) {
    static const Regex regexes[] = {
        Regex(pattern_text(KnownPattern::gpt2), "", ""), Regex(pattern_text(KnownPattern::llama3), "", ""),
        Regex(pattern_text(KnownPattern::qwen2), "", ""), Regex(pattern_text(KnownPattern::o200k), "", "")};
    Regex::Matches matches(regexes[static_cast<int>(pattern) - 1], valid);
    std::size_t at = 0, start, end;
    while (matches.next(start, end)) {
      fuzz::check(start == at && match_known(pattern, valid, at) == end);
      at = end;
    }
    fuzz::check(at == valid.size());
    static const auto tokenizer = byte_level_tokenizer(KnownPattern::llama3, false);
    const auto ids = tokenizer->encode(text);
    for (const std::int32_t id : ids) fuzz::check(tokenizer->is_defined(id));
    fuzz::check(tokenizer->decode(ids) == valid && streamed(tokenizer, ids) == valid);
  }
  const auto normal = nfc->encode(text);
  fuzz::check(nfc->encode(nfc->decode(normal)) == normal);  // normalizing again changes nothing
  const auto ids = llama->encode(text);
  fuzz::check(streamed(llama, ids) == llama->decode(ids));
  // The bytes as ids: sequences that no text gives.
  std::vector<std::int32_t> any;
  for (std::size_t i = 0; i < size; ++i) any.push_back(data[i] + 2);
  fuzz::check(streamed(llama, any) == llama->decode(any));
  return 0;
}
