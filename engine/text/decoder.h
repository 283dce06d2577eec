// Decoders of tokenizer.json: token strings back to text, one by one or all at once.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/text/regex.h"

namespace moe {

// Immutable after loading; safe to share between threads. Each text being decoded has a State of its own.
class Decoder {
 public:
  Decoder() = default;  // joins tokens with spaces
  // Throws Error (format, unsupported) naming `file` for types and values it does not know.
  Decoder(const nlohmann::json& json, std::string_view file);

  // What a step remembers between tokens.
  struct StepState {
    std::size_t count = 0;  // tokens seen, or characters stripped
    bool done = false;      // nothing more to strip
    bool held_any = false;
    std::string held;  // bytes of an unfinished character, a token kept back, or all tokens so far
  };
  struct State {
    std::vector<StepState> steps;
    bool any = false;
  };
  State start() const;
  // Appends the text that is certain after this token: whole characters only. finish() appends the rest.
  void push(State& state, std::string_view token, std::string& out) const;
  void finish(State& state, std::string& out) const;

 private:
  struct ByteLevel {};
  struct ByteFallback {};
  struct Fuse {};
  struct Metaspace {
    std::string replacement;
    bool drop_first;
  };
  struct Strip {
    std::string content;
    std::size_t start, stop;
  };
  struct Replace {
    Regex regex;
    std::string literal, content;
  };
  struct WordPiece {
    std::string prefix;
    bool cleanup;
  };
  struct Bpe {
    std::string suffix;
  };
  struct Ctc {
    std::string pad, delimiter;
    bool cleanup;
  };
  using Kind = std::variant<ByteLevel, ByteFallback, Fuse, Metaspace, Strip, Replace, WordPiece, Bpe, Ctc>;
  struct Step {
    Kind kind;
    bool fused = false;    // its input is one text, in parts
    bool streams = false;  // a fusing step that can pass parts on at once, as nothing later needs the whole
  };
  void add(const nlohmann::json& json, const std::string& type, std::string_view file);
  void plan();

  void push_from(std::size_t i, State& state, std::string_view token, std::string& out) const;
  void flush_bytes(std::size_t i, State& state, std::string& out) const;
  void finish_from(std::size_t i, State& state, std::string& out) const;

  std::vector<Step> steps_;
  bool present_ = false;
};

// What transformers does after decoding when clean_up_tokenization_spaces is set: no space before marks and
// English contractions.
std::string clean_up_spaces(std::string text);

}  // namespace moe
