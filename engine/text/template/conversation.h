// From a conversation to token ids: rendered once, encoded once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/text/template/chat_template.h"

namespace moe {

class Tokenizer;

struct TokenizedPrompt {
  std::string text;
  std::vector<std::int32_t> ids;
};

// The prompt of a conversation. Special tokens that the template writes become tokens, and the tokenizer adds
// none of its own: a template that begins with the BOS token gives exactly one, and one that does not gives
// none. Errors: those of ChatTemplate::render and Tokenizer::encode. Thread-safe.
TokenizedPrompt tokenize_conversation(const ChatTemplate& chat, const Tokenizer& tokenizer,
                                      const Conversation& conversation, const RenderOptions& options = {});

}  // namespace moe
