// The tokenizer keys of a GGUF file as a Vocabulary.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "engine/base/error.h"
#include "engine/convert/gguf_model.h"

namespace moe {
namespace {

constexpr const char* kSpaceMark = "\u2581";

std::optional<std::int64_t> id_key(const GgufFile& gguf, const char* key) {
  const auto id = gguf.integer(key);
  if (!id) return std::nullopt;
  // Some writers say "none" with the largest u32.
  if (*id == 0xffffffffu) return std::nullopt;
  if (*id > 0x7fffffffu) {
    throw Error(ErrorKind::config,
                Fault{gguf.file(), fmt::format("key '{}'", key), "a token id", std::to_string(*id)});
  }
  return static_cast<std::int64_t>(*id);
}

VocabularyFamily family_of(const GgufFile& gguf) {
  const std::string model = gguf.require_string("tokenizer.ggml.model");
  if (model == "gpt2") return VocabularyFamily::byte_level;
  if (model == "llama") {
    const bool gemma = gguf.require_string("general.architecture").rfind("gemma", 0) == 0;
    return gemma ? VocabularyFamily::gemma : VocabularyFamily::sentencepiece;
  }
  throw Error(ErrorKind::unsupported, Fault{gguf.file(), "key 'tokenizer.ggml.model'", "'gpt2' or 'llama'",
                                            fmt::format("'{}'", model)});
}

std::vector<TokenKind> kinds_of(const GgufFile& gguf, std::size_t count) {
  const auto numbers = gguf.integers("tokenizer.ggml.token_type");
  if (!numbers) return std::vector<TokenKind>(count, TokenKind::normal);
  std::vector<TokenKind> out;
  out.reserve(numbers->size());
  for (std::size_t i = 0; i < numbers->size(); ++i) {
    const std::int64_t number = (*numbers)[i];
    // 0 is "undefined", which llama.cpp treats as a token like any other.
    if (number < 0 || number > 6) {
      throw Error(ErrorKind::config, Fault{gguf.file(), fmt::format("type of token {}", i),
                                           "a number from 0 to 6", std::to_string(number)});
    }
    out.push_back(number == 0 ? TokenKind::normal : static_cast<TokenKind>(number));
  }
  return out;
}

// Files store the gemma vocabulary's runs of spaces as real spaces, while its tokenizer looks them up with
// the mark.
void respell_spaces(std::vector<std::string>& tokens) {
  for (std::string& token : tokens) {
    if (token.empty() || token.find_first_not_of(' ') != std::string::npos) continue;
    std::string marks;
    for (std::size_t i = 0; i < token.size(); ++i) marks += kSpaceMark;
    token = marks;
  }
}

// Tokens that end a turn: those the file names, and the usual ones where the chat template writes them.
std::vector<std::int64_t> turn_ends(const GgufFile& gguf, const Vocabulary& vocabulary) {
  std::vector<std::int64_t> out;
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (const auto id = id_key(gguf, key)) out.push_back(*id);
  }
  static constexpr std::array<std::string_view, 4> kEnds = {"<|im_end|>", "<|eot_id|>", "<end_of_turn>",
                                                            "<|end|>"};
  for (std::size_t id = 0; id < vocabulary.tokens.size() && id < vocabulary.kinds.size(); ++id) {
    if (vocabulary.kinds[id] != TokenKind::control) continue;
    const bool ends = std::find(kEnds.begin(), kEnds.end(), vocabulary.tokens[id]) != kEnds.end();
    if (ends && vocabulary.chat_template.find(vocabulary.tokens[id]) != std::string::npos) {
      out.push_back(static_cast<std::int64_t>(id));
    }
  }
  return out;
}

}  // namespace

Vocabulary gguf_vocabulary(const GgufFile& gguf) {
  Vocabulary out;
  out.source = gguf.file();
  out.family = family_of(gguf);
  const auto tokens = gguf.strings("tokenizer.ggml.tokens");
  if (!tokens) {
    throw Error(ErrorKind::config,
                Fault{gguf.file(), "key 'tokenizer.ggml.tokens'", "an array of strings", "no such key"});
  }
  out.tokens.assign(tokens->begin(), tokens->end());
  out.kinds = kinds_of(gguf, out.tokens.size());
  if (const auto merges = gguf.strings("tokenizer.ggml.merges"))
    out.merges.emplace(merges->begin(), merges->end());
  if (auto scores = gguf.reals("tokenizer.ggml.scores")) out.scores = std::move(*scores);
  out.bos = id_key(gguf, "tokenizer.ggml.bos_token_id");
  out.eos = id_key(gguf, "tokenizer.ggml.eos_token_id");
  out.unk = id_key(gguf, "tokenizer.ggml.unknown_token_id");
  out.pad = id_key(gguf, "tokenizer.ggml.padding_token_id");
  out.pre_tokenizer = gguf.string("tokenizer.ggml.pre").value_or("");
  const bool sentencepiece = out.family != VocabularyFamily::byte_level;
  if (sentencepiece && out.tokens.size() > 2) {
    // What sentencepiece vocabularies have where the file does not say.
    if (!out.bos) out.bos = 1;
    if (!out.eos) out.eos = 2;
    if (!out.unk) out.unk = 0;
  }
  const bool default_bos = sentencepiece || pre_tokenizer_traits(out.pre_tokenizer).add_bos;
  out.add_bos = gguf.boolean("tokenizer.ggml.add_bos_token").value_or(default_bos);
  out.add_eos = gguf.boolean("tokenizer.ggml.add_eos_token").value_or(false);
  out.add_space_prefix =
      gguf.boolean("tokenizer.ggml.add_space_prefix").value_or(out.family == VocabularyFamily::sentencepiece);
  if (out.family == VocabularyFamily::gemma) respell_spaces(out.tokens);
  out.chat_template = gguf.string("tokenizer.chat_template").value_or("");
  out.more_eos = turn_ends(gguf, out);
  return out;
}

}  // namespace moe
