// Finding a checkpoint's templates and rendering conversations with them.
#include "engine/text/template/chat_template.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/files.h"
#include "engine/text/template/conversation_parts.h"
#include "engine/text/template/json_input.h"
#include "engine/text/template/unicode.h"

namespace moe {
namespace {

using jinja::Dict;
using jinja::Heap;
using jinja::Kind;
using jinja::Value;
namespace fs = std::filesystem;

constexpr std::size_t kLongestConfig = std::size_t{64} << 20;
constexpr std::string_view kSpecialNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                              "pad_token", "cls_token", "mask_token"};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// The directory itself, or the one a file of it lies in.
fs::path directory_of(const fs::path& model) { return is_file(model) ? model.parent_path() : model; }

// An object, or an empty one where the file is absent.
const Dict* read_object(const fs::path& path, Heap& heap) {
  if (!is_present(path)) return nullptr;
  const Value root = jinja::read_json(read_file(path, kLongestConfig), path.string(), heap);
  if (!root.is_dict()) {
    throw Error(ErrorKind::format, Fault{path.string(), "", "a JSON object", jinja::type_name(root)});
  }
  return &root.as_dict();
}

// A special token: its text, or an object with its text as content.
std::optional<std::string> token_text(const Value& value) {
  if (value.is_string()) return std::string(value.as_view());
  if (!value.is_dict()) return std::nullopt;
  const Value* content = value.as_dict().find("content");
  if (!content || !content->is_string()) return std::nullopt;
  return std::string(content->as_view());
}

using Tokens = std::vector<std::pair<std::string, std::string>>;

void set_token(Tokens& tokens, std::string_view name, std::string text) {
  const auto it =
      std::find_if(tokens.begin(), tokens.end(), [name](const auto& t) { return t.first == name; });
  if (it != tokens.end()) {
    it->second = std::move(text);
  } else {
    tokens.emplace_back(name, std::move(text));
  }
}

// The named special tokens, and those that a model adds under names of its own.
void collect_tokens(const Dict& config, Tokens& tokens) {
  for (const auto& [key, value] : config.entries()) {
    const std::string_view name = key.as_view();
    const bool known =
        std::find(std::begin(kSpecialNames), std::end(kSpecialNames), name) != std::end(kSpecialNames);
    if (!known && !name.ends_with("_token")) continue;
    if (auto text = token_text(value)) set_token(tokens, name, std::move(*text));
  }
  const Value* extra = config.find("extra_special_tokens");
  if (!extra || !extra->is_dict()) return;
  for (const auto& [key, value] : extra->as_dict().entries()) {
    if (auto text = token_text(value)) set_token(tokens, key.as_view(), std::move(*text));
  }
}

Tokens special_tokens_of(const fs::path& directory) {
  Heap heap;
  Tokens tokens;
  const Dict* config = read_object(directory / "tokenizer_config.json", heap);
  if (config) collect_tokens(*config, tokens);
  // As transformers: the older file counts only where the newer does not list its tokens.
  if (config && config->find("added_tokens_decoder")) return tokens;
  if (const Dict* map = read_object(directory / "special_tokens_map.json", heap))
    collect_tokens(*map, tokens);
  return tokens;
}

struct Source {
  std::string name;
  std::string text;
  std::string file;
};

// As transformers: of two with the same name the later one counts.
void put(std::vector<Source>& sources, Source source) {
  const auto same =
      std::find_if(sources.begin(), sources.end(), [&](const Source& s) { return s.name == source.name; });
  if (same == sources.end()) {
    sources.push_back(std::move(source));
  } else {
    *same = std::move(source);
  }
}

// chat_template of a JSON file: text, or a list of {name, template}, or an object of names.
void collect_json_templates(const fs::path& file, std::vector<Source>& out) {
  Heap heap;
  const Dict* config = read_object(file, heap);
  const Value* value = config ? config->find("chat_template") : nullptr;
  if (!value || value->is_none()) return;
  const auto wrong = [&](const Value& found) {
    throw Error(ErrorKind::format, Fault{file.string(), "chat_template",
                                         "text, or a list of {name, template}", jinja::type_name(found)});
  };
  const auto add = [&](const Value& name, const Value& text) {
    if (!name.is_string()) wrong(name);
    if (!text.is_string()) wrong(text);
    put(out, {std::string(name.as_view()), std::string(text.as_view()), file.string()});
  };
  if (value->is_string()) {
    out.push_back({"default", std::string(value->as_view()), file.string()});
  } else if (value->is(Kind::list)) {
    for (const Value& item : value->items()) {
      if (!item.is_dict()) wrong(item);
      const Value* name = item.as_dict().find("name");
      const Value* text = item.as_dict().find("template");
      if (!name || !text) wrong(item);
      add(*name, *text);
    }
  } else if (value->is_dict()) {
    for (const auto& [name, text] : value->as_dict().entries()) add(name, text);
  } else {
    wrong(*value);
  }
}

std::vector<Source> sources_of(const fs::path& directory) {
  std::vector<Source> out;
  const auto add_file = [&out](std::string name, const fs::path& file) {
    put(out, {std::move(name), read_file(file, jinja::Template::kLongestSource), file.string()});
  };
  if (is_present(directory / "chat_template.jinja")) add_file("default", directory / "chat_template.jinja");
  for (const char* folder : {"additional_chat_templates", "chat_templates"}) {
    std::error_code ignored;
    std::vector<fs::path> files;
    for (fs::directory_iterator it(directory / folder, ignored), end; !ignored && it != end;
         it.increment(ignored)) {
      if (it->path().extension() == ".jinja" && is_file(it->path())) files.push_back(it->path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) add_file(file.stem().string(), file);
  }
  if (out.empty()) collect_json_templates(directory / "tokenizer_config.json", out);
  if (out.empty()) collect_json_templates(directory / "chat_template.json", out);
  return out;
}

}  // namespace

void ChatTemplate::add(std::string name, std::string source, const std::string& file) {
  auto parsed = std::make_shared<const jinja::Template>(source, file);
  templates_.push_back({std::move(name), std::move(source), std::move(parsed)});
}

bool ChatTemplate::present(const fs::path& model) {
  try {
    return !sources_of(directory_of(model)).empty();
  } catch (const Error&) {
    return true;  // load() says what is wrong with it
  }
}

ChatTemplate ChatTemplate::load(const fs::path& model, std::string_view selection) {
  const fs::path directory = directory_of(model);
  ChatTemplate out;
  out.where_ = directory.string();
  out.special_tokens_ = special_tokens_of(directory);
  std::vector<Source> sources = sources_of(directory);
  const bool named =
      std::any_of(sources.begin(), sources.end(), [&](const Source& s) { return s.name == selection; });
  if (!selection.empty() && !named) {
    const fs::path file{std::string(selection)};
    if (!is_file(file)) {
      std::string names;
      for (const Source& source : sources) names += (names.empty() ? "" : ", ") + source.name;
      throw Error(ErrorKind::config,
                  Fault{out.where_, "chat template",
                        "a file, or one of: " + (names.empty() ? "(none)" : names), std::string(selection)});
    }
    sources = {{"default", read_file(file, jinja::Template::kLongestSource), file.string()}};
  } else {
    out.selected_ = selection;
  }
  if (sources.empty()) {
    throw Error(ErrorKind::config,
                Fault{out.where_, "chat template",
                      "chat_template.jinja, or chat_template in tokenizer_config.json or chat_template.json",
                      "none"});
  }
  for (Source& source : sources) out.add(std::move(source.name), std::move(source.text), source.file);
  out.chosen(false);
  std::string name = jinja::to_lower(utf8::valid(out.where_) ? out.where_ : "");
  if (name.ends_with('/')) name.pop_back();
  name = name.substr(name.rfind('/') + 1);
  out.always_reasons_ =
      name.find("reasoning") != std::string::npos || name.find("thinking") != std::string::npos;
  return out;
}

ChatTemplate ChatTemplate::from_source(std::string_view source, std::string name, Tokens variables) {
  ChatTemplate out;
  out.where_ = name;
  out.add("default", std::string(source), name);
  out.special_tokens_ = std::move(variables);
  return out;
}

const ChatTemplate::Named& ChatTemplate::chosen(bool with_tools) const {
  const auto find = [this](std::string_view name) {
    return std::find_if(templates_.begin(), templates_.end(),
                        [name](const Named& t) { return t.name == name; });
  };
  if (!selected_.empty()) return *find(selected_);
  if (with_tools && find("tool_use") != templates_.end()) return *find("tool_use");
  if (const auto it = find("default"); it != templates_.end()) return *it;
  if (templates_.size() == 1) return templates_.front();
  std::string names;
  for (const Named& t : templates_) names += (names.empty() ? "" : ", ") + t.name;
  throw Error(ErrorKind::config,
              Fault{where_, "chat template", "a choice among several templates: " + names, "none"});
}

std::string_view ChatTemplate::source(bool with_tools) const { return chosen(with_tools).source; }

std::string ChatTemplate::render(const Conversation& conversation, const RenderOptions& options) const {
  Conversation::Parts given;  // what the options say, which wins
  Heap& heap = given.heap;
  const Conversation::Parts& parts = *conversation.parts_;
  given.tools = parts.tools;
  given.documents = parts.documents;
  given.add_generation_prompt = parts.add_generation_prompt;
  constexpr std::string_view kKwargs = "chat template kwargs";
  if (!options.kwargs_json.empty()) {
    const Value kwargs = jinja::read_json(options.kwargs_json, kKwargs, heap);
    if (!kwargs.is_dict()) {
      throw Error(ErrorKind::config,
                  Fault{std::string(kKwargs), "", "a JSON object", jinja::type_name(kwargs)});
    }
    for (const auto& [key, value] : kwargs.as_dict().entries()) {
      if (key.as_view() == "messages") {
        throw Error(ErrorKind::config, Fault{std::string(kKwargs), "messages", "no such key", "one"});
      }
      given.set(key, value, kKwargs);
    }
  }
  if (options.add_generation_prompt)
    given.add_generation_prompt = Value::boolean(*options.add_generation_prompt);

  Dict context;
  const auto set = [&](std::string_view name, const Value& value) {
    context.set(heap.string(std::string(name)), value);
  };
  for (const auto& [name, text] : special_tokens_) set(name, heap.string(text));
  for (const auto& [name, value] : reasoning_variables(options.reasoning)) {
    set(name, jinja::read_json(value, "reasoning", heap));
  }
  for (const auto& [name, value] : parts.variables.entries()) context.set(name, value);
  for (const auto& [name, value] : given.variables.entries()) context.set(name, value);
  set("messages", parts.messages);
  set("tools", given.tools);
  set("documents", given.documents);
  set("add_generation_prompt", given.add_generation_prompt.value_or(Value::boolean(true)));
  jinja::Limits limits = options.limits;
  limits.work += options.work_per_message * parts.messages.items().size();
  return chosen(!given.tools.is_none()).parsed->render(context, limits, options.clock);
}

}  // namespace moe
