// Reads tokenizer.json: the vocabulary and merges as a stream, the small parts as JSON values.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/json_reader.h"
#include "engine/text/json_fields.h"
#include "engine/text/tokenizer_parts.h"

namespace moe {
namespace {

namespace jf = json_fields;
using nlohmann::json;

// A value whose first event was `event`, as a tree.
json read_value(JsonReader& in, JsonEvent event) {
  json root;
  std::vector<json*> open;
  std::string key;
  for (;; event = in.next()) {
    json value;
    switch (event) {
      case JsonEvent::end_object:
      case JsonEvent::end_array:
        open.pop_back();
        if (open.empty()) return root;
        continue;
      case JsonEvent::key:
        key = in.string();
        continue;
      case JsonEvent::begin_object:
        value = json::object();
        break;
      case JsonEvent::begin_array:
        value = json::array();
        break;
      case JsonEvent::string:
        value = std::string(in.string());
        break;
      case JsonEvent::unsigned_integer:
        value = in.unsigned_integer();
        break;
      case JsonEvent::negative_integer:
        value = in.negative_integer();
        break;
      case JsonEvent::number:
        value = in.number();
        break;
      case JsonEvent::boolean:
        value = in.boolean();
        break;
      case JsonEvent::null:
      case JsonEvent::end:
        break;
    }
    json* place = &root;
    if (open.empty())
      root = std::move(value);
    else if (open.back()->is_object())
      place = &((*open.back())[key] = std::move(value));
    else
      place = &open.back()->emplace_back(std::move(value));
    if (event == JsonEvent::begin_object || event == JsonEvent::begin_array)
      open.push_back(place);
    else if (open.empty())
      return root;
  }
}

// Strings one after another, without an allocation for each.
class StringList {
 public:
  void reserve(std::size_t strings, std::size_t bytes) {
    ends_.reserve(strings);
    text_.reserve(bytes);
  }
  void add(std::string_view text) {
    text_ += text;
    ends_.push_back(text_.size());
  }
  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i ? ends_[i - 1] : 0;
    return std::string_view(text_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string text_;
  std::vector<std::size_t> ends_;
};

// The model of the file before its type decides what becomes of it.
struct RawModel {
  json options = json::object();
  Vocab vocab;
  std::vector<double> scores;  // of a list vocabulary
  bool has_vocab = false, list_vocab = false, has_merges = false;
  StringList merges;  // left, right, left, right, ...
};

class ModelReader {
 public:
  // `bytes` of the whole file, of which a token and its merge take about 64, indentation and escapes included.
  ModelReader(JsonReader& in, std::string_view file, std::size_t bytes) : in_(in), file_(file), bytes_(bytes) {
    model_.vocab.reserve(bytes / 64, bytes / 8);
  }

  RawModel read() {
    in_.expect(JsonEvent::begin_object, "model");
    for (;;) {
      const JsonEvent event = in_.next();
      if (event == JsonEvent::end_object) break;
      const std::string key(in_.string());
      const JsonEvent first = in_.next();
      if (key == "vocab")
        read_vocab(first);
      else if (key == "merges")
        read_merges(first);
      else
        model_.options[key] = read_value(in_, first);
    }
    return std::move(model_);
  }

 private:
  [[noreturn]] void wrong(std::string_view thing, std::string_view expected, JsonEvent found) {
    throw Error(ErrorKind::format, Fault{std::string(file_), fmt::format("{} at {}", thing, in_.place()),
                                         std::string(expected), std::string(describe(found))});
  }

  void read_vocab(JsonEvent event) {
    if (model_.has_vocab) wrong("model.vocab", "one vocabulary", event);
    model_.has_vocab = true;
    if (event == JsonEvent::begin_array) return read_list();
    if (event != JsonEvent::begin_object) wrong("model.vocab", "an object or an array", event);
    std::string token;
    while ((event = in_.next()) != JsonEvent::end_object) {
      token = in_.string();
      event = in_.next();
      if (event != JsonEvent::unsigned_integer) wrong(fmt::format("id of token '{}'", token), "an id", event);
      model_.vocab.add(token, in_.unsigned_integer(), file_);
    }
  }

  // [["token", score], ...]: the place in the list is the id.
  void read_list() {
    model_.list_vocab = true;
    for (JsonEvent event; (event = in_.next()) != JsonEvent::end_array;) {
      if (event != JsonEvent::begin_array) wrong("model.vocab", "[token, score]", event);
      if ((event = in_.next()) != JsonEvent::string) wrong("model.vocab", "a token", event);
      model_.vocab.add(in_.string(), model_.scores.size(), file_);
      event = in_.next();
      if (event == JsonEvent::number)
        model_.scores.push_back(in_.number());
      else if (event == JsonEvent::unsigned_integer)
        model_.scores.push_back(static_cast<double>(in_.unsigned_integer()));
      else if (event == JsonEvent::negative_integer)
        model_.scores.push_back(static_cast<double>(in_.negative_integer()));
      else
        wrong("model.vocab", "a score", event);
      in_.expect(JsonEvent::end_array, "model.vocab");
    }
  }

  // "left right", or ["left", "right"].
  void read_merges(JsonEvent event) {
    if (model_.has_merges) wrong("model.merges", "one list", event);
    model_.has_merges = true;
    model_.merges.reserve(bytes_ / 32, bytes_ / 4);
    if (event != JsonEvent::begin_array) wrong("model.merges", "an array", event);
    while ((event = in_.next()) != JsonEvent::end_array) {
      if (event == JsonEvent::string) {
        const std::string_view line = in_.string();
        if (line.substr(0, 8) == "#version") continue;
        const std::size_t space = line.find(' ');
        if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
          throw Error(ErrorKind::format,
                      Fault{std::string(file_), fmt::format("model.merges at {}", in_.place()),
                            "two tokens with one space between", fmt::format("'{}'", line)});
        model_.merges.add(line.substr(0, space));
        model_.merges.add(line.substr(space + 1));
        continue;
      }
      if (event != JsonEvent::begin_array) wrong("model.merges", "a string or [left, right]", event);
      for (int side = 0; side < 2; ++side) {
        if ((event = in_.next()) != JsonEvent::string) wrong("model.merges", "a token", event);
        model_.merges.add(in_.string());
      }
      in_.expect(JsonEvent::end_array, "model.merges");
    }
  }

  JsonReader& in_;
  std::string_view file_;
  std::size_t bytes_;
  RawModel model_;
};

std::optional<std::string> optional_text(const json& options, const char* key, std::string_view file) {
  const auto it = options.find(key);
  if (it == options.end() || it->is_null()) return std::nullopt;
  return jf::text(options, key, file, "model");
}

std::shared_ptr<const Bpe> make_bpe(RawModel raw, std::string_view file) {
  const json& options = raw.options;
  const auto dropout = options.find("dropout");
  if (dropout != options.end() && !dropout->is_null() &&
      (!dropout->is_number() || dropout->get<double>() != 0.0))
    throw Error(ErrorKind::unsupported,
                Fault{std::string(file), "model.dropout",
                      "null or 0, as merges dropped at random give no reproducible ids",
                      dropout->is_number() ? dropout->dump() : "something else"});
  Bpe::Builder builder{std::string(file)};
  builder.vocab() = std::move(raw.vocab);
  BpeOptions& out = builder.options();
  out.unk_token = optional_text(options, "unk_token", file);
  out.continuing_subword_prefix = optional_text(options, "continuing_subword_prefix", file).value_or("");
  out.end_of_word_suffix = optional_text(options, "end_of_word_suffix", file).value_or("");
  out.fuse_unk = jf::flag(options, "fuse_unk", false, file, "model");
  out.byte_fallback = jf::flag(options, "byte_fallback", false, file, "model");
  out.ignore_merges = jf::flag(options, "ignore_merges", false, file, "model");
  builder.reserve_merges(raw.merges.size() / 2);
  std::array<std::string_view, 128> some;
  for (std::size_t begin = 0; begin < raw.merges.size(); begin += some.size()) {
    const std::size_t count = std::min(some.size(), raw.merges.size() - begin);
    for (std::size_t i = 0; i < count; ++i) some[i] = raw.merges[begin + i];
    builder.add_merges(std::span(some).first(count));
  }
  return builder.build();
}

Model make_model(RawModel raw, std::string_view file) {
  const json& options = raw.options;
  std::string type;
  if (options.contains("type")) type = jf::text(options, "type", file, "model");
  // Files of before 2020 name no type: it shows in their fields.
  else if (raw.has_merges)
    type = "BPE";
  else if (raw.list_vocab)
    type = "Unigram";
  else
    type = options.contains("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
  if (!raw.has_vocab)
    throw Error(ErrorKind::format, Fault{std::string(file), "model.vocab", "a vocabulary", "none"});
  const bool known = type == "BPE" || type == "WordLevel" || type == "WordPiece" || type == "Unigram";
  if (known && raw.list_vocab != (type == "Unigram"))
    throw Error(ErrorKind::format, Fault{std::string(file), fmt::format("model.vocab of the {} model", type),
                                         type == "Unigram" ? "an array" : "an object",
                                         raw.list_vocab ? "an array" : "an object"});
  if (type == "BPE") {
    if (!raw.has_merges)
      throw Error(ErrorKind::format, Fault{std::string(file), "model.merges", "a list of merges", "none"});
    return make_bpe(std::move(raw), file);
  }
  if (type == "WordLevel") {
    auto model = std::make_shared<WordLevel>();
    model->unk_token = jf::text(options, "unk_token", file, "model");
    model->vocab = std::move(raw.vocab);
    return std::shared_ptr<const WordLevel>(std::move(model));
  }
  if (type == "WordPiece") {
    WordPiece::Options o;
    o.unk_token = jf::text(options, "unk_token", file, "model");
    o.continuing_subword_prefix = jf::text(options, "continuing_subword_prefix", file, "model");
    o.max_input_chars_per_word = jf::whole(options, "max_input_chars_per_word", file, "model");
    return std::make_shared<const WordPiece>(std::move(raw.vocab), std::move(o), file);
  }
  if (type == "Unigram") {
    std::optional<std::uint64_t> unk_id;
    if (options.contains("unk_id") && !options["unk_id"].is_null())
      unk_id = jf::whole(options, "unk_id", file, "model");
    return std::make_shared<const Unigram>(std::move(raw.vocab), std::move(raw.scores), unk_id,
                                           jf::flag(options, "byte_fallback", false, file, "model"), file);
  }
  jf::unknown_type(file, "model", "BPE, WordLevel, WordPiece or Unigram", type);
}

AddedToken read_added_token(const json& token, std::string_view file) {
  const std::string thing = "added_tokens";
  return {jf::text(token, "content", file, thing),    jf::flag(token, "single_word", file, thing),
          jf::flag(token, "lstrip", file, thing),     jf::flag(token, "rstrip", file, thing),
          jf::flag(token, "normalized", file, thing), jf::flag(token, "special", file, thing)};
}

}  // namespace

void read_tokenizer_json(std::string_view text, std::string_view file, TokenizerParts& parts) {
  JsonLimits limits;
  limits.depth = 128;
  JsonReader in(text, file, limits);
  in.expect(JsonEvent::begin_object, "the file");
  std::vector<AddedToken> added;
  bool has_model = false;
  for (JsonEvent event; (event = in.next()) != JsonEvent::end_object;) {
    const std::string key(in.string());
    if (key == "model") {
      if (std::exchange(has_model, true))
        throw Error(ErrorKind::format, Fault{std::string(file), "model", "one model", "another"});
      parts.model = make_model(ModelReader(in, file, text.size()).read(), file);
      continue;
    }
    event = in.next();
    if (key == "added_tokens") {
      if (event == JsonEvent::null) continue;
      if (event != JsonEvent::begin_array)
        throw Error(ErrorKind::format,
                    Fault{std::string(file), "added_tokens", "an array", std::string(describe(event))});
      while ((event = in.next()) != JsonEvent::end_array)
        added.push_back(read_added_token(read_value(in, event), file));
    } else if (key == "normalizer") {
      parts.normalizer = Normalizer(read_value(in, event), file);
    } else if (key == "pre_tokenizer") {
      parts.pre_tokenizer = PreTokenizer(read_value(in, event), file);
    } else if (key == "post_processor") {
      parts.has_post_processor = event != JsonEvent::null;
      parts.post_processor = PostProcessor(read_value(in, event), file);
    } else if (key == "decoder") {
      parts.decoder = Decoder(read_value(in, event), file);
    } else if (key == "version") {
      if (event != JsonEvent::string || in.string() != "1.0")
        throw Error(ErrorKind::unsupported,
                    Fault{std::string(file), "version", "\"1.0\"",
                          event == JsonEvent::string ? fmt::format("\"{}\"", in.string())
                                                     : std::string(describe(event))});
    } else {
      in.skip(event);
    }
  }
  in.expect(JsonEvent::end, "the end of the file");
  if (!has_model) throw Error(ErrorKind::format, Fault{std::string(file), "model", "a model", "none"});
  for (const AddedToken& token : added) parts.added.add(token, vocab_of(parts.model));
}

}  // namespace moe
