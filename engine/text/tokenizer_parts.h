// What a Tokenizer is made of. Private to the tokenizer's own sources.
#pragma once

#include <string>

#include "engine/text/added_tokens.h"
#include "engine/text/decoder.h"
#include "engine/text/models.h"
#include "engine/text/normalizer.h"
#include "engine/text/post_processor.h"
#include "engine/text/pre_tokenizer.h"
#include "engine/text/tokenizer.h"

namespace moe {

struct NamedToken {
  std::string text;
  std::optional<std::int32_t> id;
};

struct TokenizerParts {
  Model model;
  AddedTokens added;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  PostProcessor post_processor;
  Decoder decoder;
  bool has_post_processor = false;
  bool bytes = false;  // words reach the BPE model as plain bytes
  bool clean_up = false;
  NamedToken bos, eos, pad, unk;
  std::optional<bool> add_bos, add_eos;
  std::string tokenizer_class;

  // The string that stands for an id in decoding; false where there is none.
  bool token_text(std::int32_t id, std::string_view& text) const;
};

// Reads the text of a tokenizer.json. Throws Error naming `file`.
void read_tokenizer_json(std::string_view text, std::string_view file, TokenizerParts& parts);
// Reads the two files beside it (either may be empty): named tokens, tokens to add, wishes. `add_missing`
// adds tokens that they name and the vocabulary lacks.
void read_tokenizer_config(std::string_view config, std::string_view config_file,
                           std::string_view special_tokens_map, std::string_view map_file, bool add_missing,
                           TokenizerParts& parts);

}  // namespace moe
