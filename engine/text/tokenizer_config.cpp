// Reads tokenizer_config.json and special_tokens_map.json: which tokens are special, and what encoding should
// add.
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "engine/text/json_fields.h"
#include "engine/text/tokenizer_parts.h"

namespace moe {
namespace {

namespace jf = json_fields;
using nlohmann::json;

json parse_object(std::string_view text, std::string_view file) {
  if (text.empty()) return json::object();
  JsonLimits limits;
  limits.bytes = std::size_t{64} << 20;
  limits.unique_keys = false;
  limits.allow_non_finite = true;
  json value = parse_json(text, file, limits);
  if (!value.is_object()) jf::wrong(file, "the file", "an object", value);
  return value;
}

// A token is a string, or an object with its content and flags.
std::optional<AddedToken> read_token(const json& value, std::string_view file, const std::string& thing) {
  if (value.is_null()) return std::nullopt;
  AddedToken token;
  token.normalized = false;
  token.special = true;
  if (value.is_string()) {
    token.content = value.get<std::string>();
    return token;
  }
  if (!value.is_object()) jf::wrong(file, thing, "a string, an object or null", value);
  token.content = jf::text(value, "content", file, thing);
  token.single_word = jf::flag(value, "single_word", false, file, thing);
  token.lstrip = jf::flag(value, "lstrip", false, file, thing);
  token.rstrip = jf::flag(value, "rstrip", false, file, thing);
  token.normalized = jf::flag(value, "normalized", false, file, thing);
  token.special = jf::flag(value, "special", true, file, thing);
  return token;
}

class Reader {
 public:
  Reader(std::string_view config_file, std::string_view map_file, bool add_missing, TokenizerParts& parts)
      : config_file_(config_file), map_file_(map_file), add_missing_(add_missing), parts_(parts) {}

  void read(const json& config, const json& map) {
    read_added_tokens_decoder(config);
    parts_.bos = named(config, map, "bos_token");
    parts_.eos = named(config, map, "eos_token");
    parts_.pad = named(config, map, "pad_token");
    parts_.unk = named(config, map, "unk_token");
    for (const char* key : {"sep_token", "cls_token", "mask_token"}) named(config, map, key);
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
      read_list(config, key, config_file_);
      read_list(map, key, map_file_);
    }
    parts_.clean_up =
        jf::flag(config, "clean_up_tokenization_spaces", false, config_file_, "tokenizer_config") &&
        !std::holds_alternative<std::shared_ptr<const Bpe>>(parts_.model);
    parts_.add_bos = wish(config, "add_bos_token");
    parts_.add_eos = wish(config, "add_eos_token");
    const auto type = config.find("tokenizer_class");
    if (type != config.end() && type->is_string()) parts_.tokenizer_class = type->get<std::string>();
  }

 private:
  void add(const AddedToken& token) {
    if (!add_missing_ || token.content.empty()) return;
    const Vocab& vocab = vocab_of(parts_.model);
    // A token of the model that is not an added one yet becomes so; an added one keeps its flags.
    if (parts_.added.find(token.content) < 0) parts_.added.add(token, vocab);
  }

  // In order of id, so that new ones get the ids that transformers gives them.
  void read_added_tokens_decoder(const json& config) {
    const auto it = config.find("added_tokens_decoder");
    if (it == config.end() || it->is_null()) return;
    if (!it->is_object()) jf::wrong(config_file_, "added_tokens_decoder", "an object", *it);
    std::map<std::uint64_t, AddedToken> tokens;
    for (const auto& [key, value] : it->items()) {
      std::uint64_t id = 0;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (error != std::errc() || end != key.data() + key.size())
        jf::wrong(config_file_, "added_tokens_decoder", "ids as keys", key);
      if (auto token = read_token(value, config_file_, "added_tokens_decoder." + key)) tokens[id] = *token;
    }
    for (const auto& [id, token] : tokens) add(token);
  }

  NamedToken named(const json& config, const json& map, const char* key) {
    std::optional<AddedToken> token;
    if (const auto it = config.find(key); it != config.end())
      token = read_token(*it, config_file_, key);
    else if (const auto other = map.find(key); other != map.end())
      token = read_token(*other, map_file_, key);
    if (!token) return {};
    token->special = true;
    add(*token);
    NamedToken out{token->content, std::nullopt};
    std::int32_t id = parts_.added.find(token->content);
    if (id < 0) id = vocab_of(parts_.model).find(token->content);
    if (id >= 0) out.id = id;
    return out;
  }

  void read_list(const json& object, const char* key, std::string_view file) {
    const auto it = object.find(key);
    if (it == object.end() || it->is_null()) return;
    if (!it->is_array() && !it->is_object()) jf::wrong(file, key, "an array or an object", *it);
    for (const auto& value : *it)
      if (auto token = read_token(value, file, key)) {
        token->special = true;
        add(*token);
      }
  }

  std::optional<bool> wish(const json& config, const char* key) {
    const auto it = config.find(key);
    if (it == config.end() || it->is_null()) return std::nullopt;
    return jf::flag(config, key, config_file_, "tokenizer_config");
  }

  std::string_view config_file_, map_file_;
  bool add_missing_;
  TokenizerParts& parts_;
};

}  // namespace

void read_tokenizer_config(std::string_view config, std::string_view config_file,
                           std::string_view special_tokens_map, std::string_view map_file, bool add_missing,
                           TokenizerParts& parts) {
  Reader(config_file, map_file, add_missing, parts)
      .read(parse_object(config, config_file), parse_object(special_tokens_map, map_file));
}

}  // namespace moe
