// tokenizer.json from a vocabulary: model, splitting, added tokens, BOS and EOS, decoder.
#include "engine/convert/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "engine/base/error.h"
#include "engine/base/utf8.h"
#include "engine/convert/pre_tokenizers.h"

namespace moe {
namespace {

using nlohmann::ordered_json;
using Merges = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kSpaceMark = "\u2581";  // stands for a space in sentencepiece vocabularies

[[noreturn]] void fail(const Vocabulary& vocabulary, std::string thing, std::string expected,
                       std::string found) {
  throw Error(ErrorKind::format,
              Fault{vocabulary.source, std::move(thing), std::move(expected), std::move(found)});
}

bool continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::string token_name(std::size_t id) { return fmt::format("token {}", id); }

// Ids by text. Every token must be UTF-8 (JSON knows nothing else) and appear once.
std::unordered_map<std::string_view, std::size_t> index_tokens(const Vocabulary& vocabulary) {
  std::unordered_map<std::string_view, std::size_t> out;
  out.reserve(vocabulary.tokens.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    if (!utf8::valid(token)) fail(vocabulary, token_name(id), "text in UTF-8", "other bytes");
    const auto [at, added] = out.emplace(token, id);
    if (!added) {
      fail(vocabulary, token_name(id), "a text of its own",
           fmt::format("'{}', as token {}", token, at->second));
    }
  }
  return out;
}

// ordered_json looks for a key before it adds one, which is quadratic; keys are known to differ here.
void append(ordered_json& object, std::string key, ordered_json value) {
  auto& entries = object.get_ref<ordered_json::object_t&>();
  entries.emplace_back(std::move(key), std::move(value));
}

Merges listed_merges(const Vocabulary& vocabulary,
                     const std::unordered_map<std::string_view, std::size_t>& ids) {
  Merges out;
  out.reserve(vocabulary.merges->size());
  for (std::size_t i = 0; i < vocabulary.merges->size(); ++i) {
    const std::string& merge = (*vocabulary.merges)[i];
    const std::string thing = fmt::format("merge {}", i);
    // The first space parts the two: neither begins with one.
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string::npos || space + 1 == merge.size()) {
      fail(vocabulary, thing, "two tokens with a space between", fmt::format("'{}'", merge));
    }
    std::pair<std::string, std::string> pair{merge.substr(0, space), merge.substr(space + 1)};
    for (const std::string& part : {pair.first, pair.second, pair.first + pair.second}) {
      if (ids.find(part) == ids.end())
        fail(vocabulary, thing, "tokens of the vocabulary", fmt::format("'{}'", part));
    }
    out.push_back(std::move(pair));
  }
  return out;
}

bool has_all_bytes(const std::unordered_map<std::string_view, std::size_t>& ids) {
  for (int byte = 0; byte < 256; ++byte) {
    if (ids.find(fmt::format("<0x{:02X}>", byte)) == ids.end()) return false;
  }
  return true;
}

bool is_added(TokenKind kind) {
  return kind == TokenKind::control || kind == TokenKind::user_defined || kind == TokenKind::unknown;
}

ordered_json added_tokens(const Vocabulary& vocabulary) {
  ordered_json out = ordered_json::array();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const auto signed_id = static_cast<std::int64_t>(id);
    const bool named = vocabulary.bos == signed_id || vocabulary.eos == signed_id ||
                       vocabulary.unk == signed_id || vocabulary.pad == signed_id;
    const TokenKind kind = vocabulary.kinds[id];
    if ((!named && !is_added(kind)) || vocabulary.tokens[id].empty()) continue;
    out.push_back({{"id", id},
                   {"content", vocabulary.tokens[id]},
                   {"single_word", false},
                   {"lstrip", false},
                   {"rstrip", false},
                   {"normalized", false},
                   {"special", named || kind != TokenKind::user_defined}});
  }
  return out;
}

ordered_json model(const Vocabulary& vocabulary) {
  const auto ids = index_tokens(vocabulary);
  Merges merges;
  if (vocabulary.merges) {
    merges = listed_merges(vocabulary, ids);
  } else if (vocabulary.family == VocabularyFamily::gemma) {
    std::vector<float> priority(vocabulary.tokens.size());
    for (std::size_t id = 0; id < priority.size(); ++id) priority[id] = -static_cast<float>(id);
    merges = implied_merges(vocabulary.tokens, vocabulary.kinds, priority);
  } else {
    merges = implied_merges(vocabulary.tokens, vocabulary.kinds, vocabulary.scores);
  }
  const bool byte_level = vocabulary.family == VocabularyFamily::byte_level;
  ordered_json out = {{"type", "BPE"}, {"dropout", nullptr}};
  out["unk_token"] = nullptr;
  if (!byte_level && vocabulary.unk)
    out["unk_token"] = vocabulary.tokens[static_cast<std::size_t>(*vocabulary.unk)];
  out["continuing_subword_prefix"] = nullptr;
  out["end_of_word_suffix"] = nullptr;
  out["fuse_unk"] = !byte_level;
  out["byte_fallback"] = !byte_level && has_all_bytes(ids);
  out["ignore_merges"] = byte_level && pre_tokenizer_traits(vocabulary.pre_tokenizer).ignore_merges;
  ordered_json words = ordered_json::object();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) append(words, vocabulary.tokens[id], id);
  out["vocab"] = std::move(words);
  ordered_json pairs = ordered_json::array();
  for (auto& [left, right] : merges) pairs.push_back({std::move(left), std::move(right)});
  out["merges"] = std::move(pairs);
  return out;
}

ordered_json replace(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

ordered_json normalizer(const Vocabulary& vocabulary) {
  if (vocabulary.family == VocabularyFamily::byte_level)
    return byte_level_normalizer(vocabulary.pre_tokenizer);
  if (vocabulary.family == VocabularyFamily::gemma || !vocabulary.add_space_prefix)
    return replace(" ", kSpaceMark);
  ordered_json out = {{"type", "Sequence"}, {"normalizers", ordered_json::array()}};
  out["normalizers"].push_back({{"type", "Prepend"}, {"prepend", kSpaceMark}});
  out["normalizers"].push_back(replace(" ", kSpaceMark));
  return out;
}

ordered_json pre_tokenizer(const Vocabulary& vocabulary) {
  if (vocabulary.family == VocabularyFamily::byte_level)
    return byte_level_pre_tokenizer(vocabulary.pre_tokenizer);
  if (vocabulary.family == VocabularyFamily::sentencepiece) return nullptr;
  return {{"type", "Split"},
          {"pattern", {{"String", " "}}},
          {"behavior", "MergedWithPrevious"},
          {"invert", false}};
}

ordered_json decoder(const Vocabulary& vocabulary) {
  if (vocabulary.family == VocabularyFamily::byte_level) {
    return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  }
  ordered_json out = {{"type", "Sequence"}, {"decoders", ordered_json::array()}};
  ordered_json& steps = out["decoders"];
  steps.push_back(replace(kSpaceMark, " "));
  steps.push_back({{"type", "ByteFallback"}});
  steps.push_back({{"type", "Fuse"}});
  if (vocabulary.family == VocabularyFamily::sentencepiece && vocabulary.add_space_prefix) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return out;
}

ordered_json post_processor(const Vocabulary& vocabulary) {
  ordered_json single = ordered_json::array();
  ordered_json pair = ordered_json::array();
  ordered_json special = ordered_json::object();
  const auto add_special = [&](std::int64_t id, int type, ordered_json& list) {
    const std::string& text = vocabulary.tokens[static_cast<std::size_t>(id)];
    list.push_back({{"SpecialToken", {{"id", text}, {"type_id", type}}}});
    special[text] = {
        {"id", text}, {"ids", ordered_json::array({id})}, {"tokens", ordered_json::array({text})}};
  };
  const bool bos = vocabulary.add_bos && vocabulary.bos;
  const bool eos = vocabulary.add_eos && vocabulary.eos;
  if (!bos && !eos) return nullptr;
  const auto add_sequence = [&](const char* name, int type, ordered_json& list) {
    if (bos) add_special(*vocabulary.bos, type, list);
    list.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    if (eos) add_special(*vocabulary.eos, type, list);
  };
  add_sequence("A", 0, single);
  add_sequence("A", 0, pair);
  add_sequence("B", 1, pair);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

void check(const Vocabulary& vocabulary) {
  const std::size_t size = vocabulary.tokens.size();
  if (size == 0) fail(vocabulary, "vocabulary", "at least one token", "none");
  if (vocabulary.kinds.size() != size) {
    fail(vocabulary, "token types", fmt::format("{} of them", size), std::to_string(vocabulary.kinds.size()));
  }
  const bool needs_scores = vocabulary.family == VocabularyFamily::sentencepiece && !vocabulary.merges;
  if (needs_scores && vocabulary.scores.size() != size) {
    fail(vocabulary, "token scores", fmt::format("{} of them", size),
         std::to_string(vocabulary.scores.size()));
  }
  if (needs_scores) {
    for (std::size_t id = 0; id < size; ++id) {
      if (!(vocabulary.scores[id] == vocabulary.scores[id]))
        fail(vocabulary, "score of " + token_name(id), "a number", "NaN");
    }
  }
  if (vocabulary.family == VocabularyFamily::byte_level && !vocabulary.merges) {
    fail(vocabulary, "merges", "a list, as byte-level vocabularies need one", "none");
  }
  const auto check_id = [&](std::optional<std::int64_t> id, const char* thing) {
    if (id && (*id < 0 || *id >= static_cast<std::int64_t>(size))) {
      fail(vocabulary, thing, fmt::format("an id below {}", size), std::to_string(*id));
    }
  };
  check_id(vocabulary.bos, "BOS token");
  check_id(vocabulary.eos, "EOS token");
  check_id(vocabulary.unk, "unknown token");
  check_id(vocabulary.pad, "padding token");
  for (const std::int64_t id : vocabulary.more_eos) check_id(id, "end-of-turn token");
  if (!utf8::valid(vocabulary.chat_template))
    fail(vocabulary, "chat template", "text in UTF-8", "other bytes");
  if (vocabulary.family == VocabularyFamily::byte_level &&
      !pre_tokenizer_traits(vocabulary.pre_tokenizer).known) {
    throw Error(ErrorKind::unsupported, Fault{vocabulary.source, "pre-tokenizer (tokenizer.ggml.pre)",
                                              "one of " + known_pre_tokenizers(), vocabulary.pre_tokenizer});
  }
}

std::string text_of(const ordered_json& value) { return value.dump(2) + "\n"; }

ordered_json special_tokens(const Vocabulary& vocabulary) {
  ordered_json out = ordered_json::object();
  const auto add = [&](const char* key, std::optional<std::int64_t> id) {
    if (id) out[key] = vocabulary.tokens[static_cast<std::size_t>(*id)];
  };
  add("bos_token", vocabulary.bos);
  add("eos_token", vocabulary.eos);
  add("unk_token", vocabulary.unk);
  add("pad_token", vocabulary.pad);
  return out;
}

std::string tokenizer_config(const Vocabulary& vocabulary) {
  ordered_json out = {{"add_bos_token", vocabulary.add_bos && vocabulary.bos.has_value()},
                      {"add_eos_token", vocabulary.add_eos && vocabulary.eos.has_value()}};
  out.update(special_tokens(vocabulary));
  out["clean_up_tokenization_spaces"] = false;
  if (vocabulary.context > 0) out["model_max_length"] = vocabulary.context;
  // The class that takes tokenizer.json as it stands; named families would put their own rules in its place.
  out["tokenizer_class"] = "PreTrainedTokenizerFast";
  if (!vocabulary.chat_template.empty()) out["chat_template"] = vocabulary.chat_template;
  return text_of(out);
}

std::string generation_config(const Vocabulary& vocabulary) {
  ordered_json out = {{"do_sample", false}};
  if (vocabulary.bos) out["bos_token_id"] = *vocabulary.bos;
  std::vector<std::int64_t> ends;
  if (vocabulary.eos) ends.push_back(*vocabulary.eos);
  for (const std::int64_t id : vocabulary.more_eos) {
    if (std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  }
  if (ends.size() == 1) out["eos_token_id"] = ends[0];
  if (ends.size() > 1) out["eos_token_id"] = ends;
  if (vocabulary.pad) out["pad_token_id"] = *vocabulary.pad;
  return text_of(out);
}

}  // namespace

Merges implied_merges(const std::vector<std::string>& tokens, const std::vector<TokenKind>& kinds,
                      const std::vector<float>& priority) {
  struct Cut {
    std::uint32_t left, right;
    float priority;
    std::uint32_t left_length, right_length;  // code points
  };
  std::unordered_map<std::string_view, std::uint32_t> ids;
  ids.reserve(tokens.size());
  const auto takes_part = [&](std::size_t id) {
    return kinds[id] == TokenKind::normal || kinds[id] == TokenKind::user_defined;
  };
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (takes_part(id)) ids.emplace(tokens[id], static_cast<std::uint32_t>(id));
  }
  std::vector<Cut> cuts;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!takes_part(id)) continue;
    const std::string_view token = tokens[id];
    const std::size_t first = cuts.size();
    const std::size_t length = utf8::count(token);
    // A token is at most a few dozen characters in any real vocabulary; a hostile one must not make this
    // quadratic.
    if (length > 1024) continue;
    std::uint32_t left_length = 0;
    for (std::size_t at = 1; at < token.size(); ++at) {
      if (continuation(token[at])) continue;
      ++left_length;
      const auto left = ids.find(token.substr(0, at));
      if (left == ids.end()) continue;
      const auto right = ids.find(token.substr(at));
      if (right == ids.end()) continue;
      cuts.push_back({left->second, right->second, priority[id], left_length,
                      static_cast<std::uint32_t>(length) - left_length});
    }
    std::sort(cuts.begin() + static_cast<std::ptrdiff_t>(first), cuts.end(), [](const Cut& a, const Cut& b) {
      return a.left != b.left ? a.left < b.left : a.right < b.right;
    });
  }
  std::stable_sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) {
    if (a.priority != b.priority) return a.priority > b.priority;
    if (a.left_length != b.left_length) return a.left_length > b.left_length;
    return a.right_length > b.right_length;
  });
  Merges out;
  out.reserve(cuts.size());
  for (const Cut& cut : cuts) out.emplace_back(tokens[cut.left], tokens[cut.right]);
  return out;
}

std::map<std::string, std::string> tokenizer_files(const Vocabulary& vocabulary) {
  check(vocabulary);
  ordered_json tokenizer = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  tokenizer["added_tokens"] = added_tokens(vocabulary);
  tokenizer["normalizer"] = normalizer(vocabulary);
  tokenizer["pre_tokenizer"] = pre_tokenizer(vocabulary);
  tokenizer["post_processor"] = post_processor(vocabulary);
  tokenizer["decoder"] = decoder(vocabulary);
  tokenizer["model"] = model(vocabulary);
  return {{"tokenizer.json", tokenizer.dump(1, ' ', false) + "\n"},
          {"tokenizer_config.json", tokenizer_config(vocabulary)},
          {"special_tokens_map.json", text_of(special_tokens(vocabulary))},
          {"generation_config.json", generation_config(vocabulary)}};
}

}  // namespace moe
