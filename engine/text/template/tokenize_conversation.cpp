// The way of a conversation to ids.
#include "engine/text/template/conversation.h"
#include "engine/text/tokenizer.h"

namespace moe {

TokenizedPrompt tokenize_conversation(const ChatTemplate& chat, const Tokenizer& tokenizer,
                                      const Conversation& conversation, const RenderOptions& options) {
  TokenizedPrompt out;
  out.text = chat.render(conversation, options);
  out.ids = tokenizer.encode(out.text, false);
  return out;
}

}  // namespace moe
