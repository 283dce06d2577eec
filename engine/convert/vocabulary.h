// Rebuilds tokenizer.json and its companions from a bare vocabulary, as GGUF and llama2.c files hold one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moe {

enum class TokenKind : std::uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,       // special: never shown as text
  user_defined = 4,  // matched whole in the text, and shown
  unused = 5,
  byte = 6,  // "<0x41>"
};

enum class VocabularyFamily {
  byte_level,     // GPT-2's: tokens spelled in its byte alphabet, merges in the file
  sentencepiece,  // Llama's: spaces as U+2581, byte tokens for what is missing, merges follow from the scores
  gemma,          // as sentencepiece, but no leading space, and merges follow from the order of the tokens
};

struct Vocabulary {
  std::string source;  // for messages
  VocabularyFamily family = VocabularyFamily::byte_level;
  std::vector<std::string> tokens;
  std::vector<float> scores;                       // sentencepiece only
  std::vector<TokenKind> kinds;                    // one a token
  std::optional<std::vector<std::string>> merges;  // "left right"
  std::string pre_tokenizer;                       // byte_level only: the name in tokenizer.ggml.pre
  bool add_space_prefix = false;                   // sentencepiece only
  bool add_bos = false;
  bool add_eos = false;
  std::optional<std::int64_t> bos, eos, unk, pad;
  std::vector<std::int64_t> more_eos;  // further ids that end a generation (end of turn)
  std::string chat_template;           // empty for none
  std::int64_t context = 0;            // model_max_length
};

// tokenizer.json, tokenizer_config.json, special_tokens_map.json and generation_config.json: file name ->
// contents. Throws Error: format for ids outside the vocabulary, tokens that appear twice or are not UTF-8,
// merges that name no tokens; unsupported for a pre-tokenizer that is not known (guessing would give silently
// wrong ids).
std::map<std::string, std::string> tokenizer_files(const Vocabulary& vocabulary);

// What a byte-level vocabulary's tokenizer.ggml.pre says beside the splitting.
struct PreTokenizerTraits {
  bool known = false;
  bool add_bos = false;        // where the file does not say
  bool ignore_merges = false;  // a word that is a token needs no merges
};
PreTokenizerTraits pre_tokenizer_traits(std::string_view name) noexcept;

// Merges that a scored vocabulary implies: every way to cut a token into two tokens, the tokens with the
// highest `priority` first; among the cuts of equal priority the longest left part first, then the longest
// right part. Only normal and user-defined tokens take part. Lengths count code points.
std::vector<std::pair<std::string, std::string>> implied_merges(const std::vector<std::string>& tokens,
                                                                const std::vector<TokenKind>& kinds,
                                                                const std::vector<float>& priority);

}  // namespace moe
