// Conversations: JSON checked and brought into the shape that templates are given.
#include "engine/text/template/conversation_parts.h"

#include <array>

#include <fmt/format.h>

#include "engine/text/template/json_input.h"
#include "engine/text/template/unicode.h"

namespace moe {
namespace {

using jinja::Dict;
using jinja::Heap;
using jinja::Kind;
using jinja::Value;

[[noreturn]] void wrong_shape(std::string_view name, std::string thing, std::string expected,
                              const Value& found) {
  throw Error(ErrorKind::config,
              Fault{std::string(name), std::move(thing), std::move(expected), jinja::type_name(found)});
}

// transformers drops keys without a value, and passes a thought under its newer and older names.
Value normalised(const Value& message, Heap& heap) {
  constexpr std::array<std::string_view, 3> kReasoning = {"reasoning_content", "thinking", "reasoning"};
  const Dict& given = message.as_dict();
  const Value* reasoning = nullptr;
  for (const std::string_view key : kReasoning) {
    const Value* value = given.find(key);
    if (!reasoning && value && !value->is_none()) reasoning = value;
  }
  Dict out;
  if (reasoning) out.set(heap.string("thinking"), *reasoning);
  for (const auto& [key, value] : given.entries()) {
    if (!value.is_none()) out.set(key, value);
  }
  if (reasoning) out.set(heap.string("reasoning_content"), *reasoning);
  return heap.dict(std::move(out));
}

Value normalised_messages(const Value& messages, std::string_view name, Heap& heap) {
  if (!messages.is(Kind::list)) wrong_shape(name, "messages", "a list of messages", messages);
  if (messages.items().empty()) {
    throw Error(ErrorKind::config,
                Fault{std::string(name), "messages", "at least one message", "an empty list"});
  }
  std::vector<Value> out;
  for (std::size_t i = 0; i < messages.items().size(); ++i) {
    const Value& message = messages.items()[i];
    if (!message.is_dict())
      wrong_shape(name, fmt::format("message {}", i), "an object with role and content", message);
    out.push_back(normalised(message, heap));
  }
  return heap.list(std::move(out));
}

void check_objects(const Value& list, std::string_view name, std::string_view key) {
  if (list.is_none()) return;
  if (!list.is(Kind::list)) wrong_shape(name, std::string(key), "a list of objects or null", list);
  for (const Value& item : list.items()) {
    if (!item.is_dict()) wrong_shape(name, std::string(key), "a list of objects", item);
  }
}

}  // namespace

Conversation Conversation::parse(std::string_view json, std::string_view name) {
  auto parts = std::make_shared<Parts>();
  const Value root = jinja::read_json(json, name, parts->heap);
  if (root.is(Kind::list)) {
    parts->messages = normalised_messages(root, name, parts->heap);
  } else if (root.is_dict()) {
    const Value* messages = root.as_dict().find("messages");
    if (!messages) {
      throw Error(ErrorKind::config,
                  Fault{std::string(name), "messages", "a list of messages", "no such key"});
    }
    parts->messages = normalised_messages(*messages, name, parts->heap);
    for (const auto& [key, value] : root.as_dict().entries()) {
      if (key.as_view() != "messages") parts->set(key, value, name);
    }
  } else {
    wrong_shape(name, "conversation", "a list of messages or an object that holds one", root);
  }
  Conversation out;
  out.parts_ = std::move(parts);
  return out;
}

void Conversation::Parts::set(const Value& key, const Value& value, std::string_view name) {
  if (key.as_view() == "tools") {
    check_objects(value, name, "tools");
    tools = value;
  } else if (key.as_view() == "documents") {
    check_objects(value, name, "documents");
    documents = value;
  } else if (key.as_view() == "add_generation_prompt") {
    // transformers passes on whatever is given; text is refused, because "false" would count as true.
    if (!value.is_none() && !value.is_number())
      wrong_shape(name, "add_generation_prompt", "true, false or null", value);
    add_generation_prompt = value;
  } else if (key.as_view() == "continue_final_message" && jinja::truth(value)) {
    // transformers would leave the last message open; a prompt that closes it is not what was asked for.
    throw Error(ErrorKind::unsupported, Fault{std::string(name), "continue_final_message",
                                              "false or no such key", "one that is set"});
  } else {
    variables.set(key, value);
  }
}

Conversation Conversation::of(std::span<const ChatMessage> messages) {
  auto parts = std::make_shared<Parts>();
  Heap& heap = parts->heap;
  std::vector<Value> list;
  for (const ChatMessage& message : messages) {
    Dict out;
    out.set(heap.string("role"), heap.string(utf8::replace_invalid(message.role)));
    out.set(heap.string("content"), heap.string(utf8::replace_invalid(message.content)));
    if (!message.reasoning.empty())
      out.set(heap.string("reasoning_content"), heap.string(utf8::replace_invalid(message.reasoning)));
    list.push_back(heap.dict(std::move(out)));
  }
  parts->messages = normalised_messages(heap.list(std::move(list)), "conversation", heap);
  Conversation out;
  out.parts_ = std::move(parts);
  return out;
}

Conversation Conversation::with_system(std::string_view text) const {
  auto parts = std::make_shared<Parts>();
  parts->base = parts_;  // what the handles below point into
  parts->tools = parts_->tools;
  parts->documents = parts_->documents;
  parts->add_generation_prompt = parts_->add_generation_prompt;
  parts->variables = parts_->variables;
  Heap& heap = parts->heap;
  Dict system;
  system.set(heap.string("role"), heap.string("system"));
  system.set(heap.string("content"), heap.string(utf8::replace_invalid(text)));
  std::vector<Value> messages = {heap.dict(std::move(system))};
  const auto& old = parts_->messages.items();
  const Value* role = old.front().as_dict().find("role");
  const bool replaces = role && role->is_string() && role->as_view() == "system";
  messages.insert(messages.end(), old.begin() + (replaces ? 1 : 0), old.end());
  parts->messages = heap.list(std::move(messages));
  Conversation out;
  out.parts_ = std::move(parts);
  return out;
}

}  // namespace moe
