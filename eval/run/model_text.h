// The part of a model that turns questions into tokens and tokens into answers; it needs no weights.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/spec.h"
#include "engine/text/reasoning.h"
#include "engine/text/tokenizer.h"
#include "eval/run/backend.h"

namespace moe::eval {

struct TextOptions {
  std::string chat_template;       // name or file of a template; empty: the model's own
  std::string chat_kwargs;         // JSON object of template variables; empty: none
  std::string reasoning = "auto";  // auto, on, off
};

class ModelText {
 public:
  // Throws Error naming file, thing, expected, found.
  ModelText(const std::filesystem::path& directory, const ModelSpec& spec, const TextOptions& options);
  ModelText(const ModelText&) = delete;
  ModelText& operator=(const ModelText&) = delete;

  const TokenRules& rules() const { return rules_; }
  const ChatRenderer& chat() const { return chat_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const { return tokenizer_; }
  ReasoningFormat reasoning() const { return reasoning_; }
  // End-of-text ids of config.json, generation_config.json and the tokenizer.
  const std::vector<std::int32_t>& stop_ids() const { return stop_ids_; }
  // Fills in what records say of tokenizer, template and stop ids.
  void describe(BackendInfo& info) const;

 private:
  void load_template(const TextOptions& options);

  std::filesystem::path directory_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  ReasoningFormat reasoning_ = ReasoningFormat::none;
  std::string template_source_, reasoning_switch_, chat_kwargs_;
  std::vector<std::int32_t> stop_ids_;
  TokenRules rules_;
  ChatRenderer chat_;
};

}  // namespace moe::eval
