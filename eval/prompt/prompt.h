// From a document to what a model reads: the few-shot examples, the question, a chat template around them, tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/dataset/doc.h"
#include "eval/tasks/task.h"

namespace moe::eval {

struct ChatMessage {
  std::string role, content;
};

// Renders messages with the model's chat template, the beginning of the reply included.
using ChatRenderer = std::function<std::string(const std::vector<ChatMessage>&)>;

struct PromptOptions {
  int fewshot = -1;                   // examples; -1: as the strategy says
  std::uint64_t fewshot_seed = 1234;  // lm_eval's own default
  std::string system;                 // before everything else
  // 1: wrap in the chat template, 0: do not, -1: as the strategy says
  int chat = -1;
};

struct Prompt {
  std::string text;                       // all the model reads
  std::vector<std::string> continuations; // kind loglikelihood: one a choice, delimiter included
  std::string target;                     // as lm_eval's samples have it: a text, or the index of the gold choice
  bool chat = false;                      // a template made it, special tokens included
};

// Makes the prompts of one task under one strategy. Throws Error (usage) where the options do not fit the strategy.
class PromptBuilder {
 public:
  // `docs` and `pool` (the split few-shot examples come from; may be null where none are drawn) must outlive it.
  // `render` may be empty: the model has no template.
  PromptBuilder(const Task& task, const Strategy& strategy, const std::vector<Doc>& docs, const std::vector<Doc>* pool,
                PromptOptions options, ChatRenderer render);

  // `index` counts in docs.
  Prompt build(std::size_t index) const;
  int fewshot() const { return fewshot_; }
  bool chat() const { return chat_; }

 private:
  std::string examples(std::size_t index) const;

  const Task& task_;
  const Strategy& strategy_;
  const std::vector<Doc>& docs_;
  const std::vector<Doc>* pool_;
  PromptOptions options_;
  ChatRenderer render_;
  int fewshot_ = 0;
  bool chat_ = false;
  std::vector<std::vector<std::size_t>> drawn_;  // sampler random: [doc][example] index into the pool
};

// What {name} stands for in a document.
std::string doc_field(const Doc& doc, const Strategy& strategy, const std::string& name);

using TokenIds = std::vector<std::int32_t>;
// Text to ids; the flag asks for the special tokens that the tokenizer adds by itself.
using Encoder = std::function<TokenIds(std::string_view text, bool add_special)>;

struct PairEncoding {
  TokenIds context, continuation;
};

struct TokenRules {
  Encoder encode;
  std::string bos_text;       // empty: no such token. A text that starts with it gets no special tokens added
  std::int32_t prefix = -1;   // what an empty context is replaced by: BOS, else EOS; -1: the model has neither
};

// A context and its continuation as lm_eval splits them: white space at the end of the context moves to the
// continuation, the whole is encoded, and what goes beyond the context's own length is the continuation.
PairEncoding encode_pair(const TokenRules& rules, std::string context, std::string continuation);

// A prompt to write on from. Text that a template made has its special tokens already.
TokenIds encode_prompt(const TokenRules& rules, const std::string& text, bool chat);

}  // namespace moe::eval
