// What a Conversation holds, for the files that build and render it.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "engine/text/template/chat_template.h"
#include "engine/text/template/value.h"

namespace moe {

struct Conversation::Parts {
  jinja::Heap heap;
  jinja::Value messages;
  jinja::Value tools;
  jinja::Value documents;
  std::optional<jinja::Value> add_generation_prompt;
  jinja::Dict variables;
  std::shared_ptr<const Parts> base;

  // One key beside the messages.
  void set(const jinja::Value& key, const jinja::Value& value, std::string_view name);
};

}  // namespace moe
