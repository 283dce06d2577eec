// A checkpoint's chat template: found, chosen, and rendered as transformers' apply_chat_template does.
#pragma once

#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/text/template/evaluator.h"
#include "engine/text/template/template.h"

namespace moe {

struct ChatMessage {
  std::string role;  // system, user, assistant ...
  std::string content;
  std::string reasoning;  // the thought before the content; empty: none
};

// What is rendered. Cheap to copy; copies share what they hold, which never changes.
class Conversation {
 public:
  // A JSON array of messages, or an object {messages, tools, documents, add_generation_prompt}, whose other
  // keys are variables of the template. A message is an object; its content may be text or a list of parts.
  // `name` stands for the text in errors. Throws Error: format for what is not JSON, config for another
  // shape, limit for deep nesting.
  static Conversation parse(std::string_view json, std::string_view name);
  static Conversation of(std::span<const ChatMessage> messages);

  // The same with this system message: in place of the first message if that is one, else before it.
  Conversation with_system(std::string_view text) const;

 private:
  friend class ChatTemplate;
  struct Parts;
  std::shared_ptr<const Parts> parts_;
};

// What --reasoning asks for. `automatic` leaves the template to its own default.
enum class ReasoningSwitch { automatic, on, off };
// Throws Error (usage) for anything but "auto", "on" and "off".
ReasoningSwitch reasoning_switch_from_name(std::string_view name);

struct RenderOptions {
  // Whether the prompt ends with the header of the assistant's turn. Unset: as the conversation says, else
  // yes.
  std::optional<bool> add_generation_prompt;
  // A JSON object of template variables; empty: none. They win over all others.
  std::string kwargs_json;
  ReasoningSwitch reasoning = ReasoningSwitch::automatic;
  std::function<std::tm()> clock = jinja::local_time;  // what strftime_now tells
  jinja::Limits limits;
  // Work allowed beside limits.work: templates look back over the messages for each of them.
  std::uint64_t work_per_message = 20'000;
};

// Immutable after loading; any number of threads may render with one object.
class ChatTemplate {
 public:
  // The templates of a model directory, in the order transformers looks: chat_template.jinja with
  // additional_chat_templates/*.jinja, then chat_template in tokenizer_config.json (text, or a list of names
  // and texts), then chat_template.json. Special tokens come from tokenizer_config.json and
  // special_tokens_map.json. `selection` is empty, the name of one of them, or a file. Throws Error: config
  // if there is none or the name is unknown, io, and what parsing throws. All templates are parsed here.
  static ChatTemplate load(const std::filesystem::path& model, std::string_view selection = {});
  // Whether load() would find a template.
  static bool present(const std::filesystem::path& model);
  // From a template's text; `variables` are special tokens such as {"bos_token", "<s>"}.
  static ChatTemplate from_source(std::string_view source, std::string name,
                                  std::vector<std::pair<std::string, std::string>> variables = {});

  // The prompt. Throws TemplateError (engine/text/template/template.h) where the template raises, and Error
  // (config, usage) for an empty conversation, messages that are no objects, or kwargs that are no JSON
  // object.
  std::string render(const Conversation& conversation, const RenderOptions& options = {}) const;

  // The source that render() would use; for telling which markers a model writes.
  std::string_view source(bool with_tools = false) const;
  const std::vector<std::pair<std::string, std::string>>& special_tokens() const { return special_tokens_; }

  // The template variables that stand for a switch position. Throws Error (unsupported) if this template
  // cannot do it: no switch at all, or one that is always on.
  std::vector<std::pair<std::string, std::string>> reasoning_variables(ReasoningSwitch position) const;
  // What a user should be told about this position, e.g. that the lowest effort is not off; empty: nothing.
  std::string reasoning_note(ReasoningSwitch position) const;

 private:
  struct Named {
    std::string name;
    std::string source;
    std::shared_ptr<const jinja::Template> parsed;
  };
  ChatTemplate() = default;
  void add(std::string name, std::string source, const std::string& file);
  const Named& chosen(bool with_tools) const;

  std::vector<Named> templates_;
  std::string selected_;
  std::string where_;  // for messages
  bool always_reasons_ = false;
  std::vector<std::pair<std::string, std::string>> special_tokens_;
};

}  // namespace moe
