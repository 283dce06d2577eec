// Normalizers of tokenizer.json: text to text, before it is split.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/text/regex.h"
#include "engine/text/unicode.h"

namespace moe {

// A part of the text on its way through the tokenizer, and what is left of its place in the original: the
// first `zero` bytes come from the very start of the input. Only Metaspace's scheme "first" asks for it.
struct Piece {
  std::string_view text;
  std::size_t zero = 0;

  Piece slice(std::size_t begin, std::size_t end) const {
    return {text.substr(begin, end - begin), zero > begin ? std::min(zero, end) - begin : 0};
  }
};

// Immutable after loading; apply() may run in any number of threads.
class Normalizer {
 public:
  Normalizer() = default;  // changes nothing
  // Throws Error (format, unsupported) naming `file` for types and values it does not know.
  Normalizer(const nlohmann::json& json, std::string_view file);

  bool empty() const noexcept { return steps_.empty(); }
  // Changes `text` in place (valid UTF-8 in and out) and keeps `zero` in step with it.
  void apply(std::string& text, std::size_t& zero) const;
  // True where apply() is certain to change nothing.
  bool surely_inert(std::string_view text) const;

 private:
  struct UnicodeForm {
    unicode::Form form;
  };
  struct Lowercase {};
  struct Strip {
    bool left, right;
  };
  struct StripAccents {};
  struct Replace {
    Regex regex;
    std::string literal;  // the pattern when it is a plain, non-empty string
    std::string content;
  };
  struct Prepend {
    std::string text;
  };
  struct ByteLevel {};
  struct Nmt {};
  struct Bert {
    bool clean_text, chinese, strip_accents, lowercase;
  };
  // SentencePiece's compiled character map: a double-array trie and the replacements it points into.
  struct Precompiled {
    std::vector<std::uint32_t> trie;
    std::string replacements;
    std::string_view find(std::string_view key, bool& found) const;
  };
  using Step = std::variant<UnicodeForm, Lowercase, Strip, StripAccents, Replace, Prepend, ByteLevel, Nmt,
                            Bert, std::shared_ptr<const Precompiled>>;

  void add(const nlohmann::json& json, const std::string& type, std::string_view file);
  static std::shared_ptr<const Precompiled> read_charsmap(std::string_view base64, std::string_view file);

  static void run(const UnicodeForm& step, std::string& text, std::size_t& zero);
  static void run(const Lowercase& step, std::string& text, std::size_t& zero);
  static void run(const Strip& step, std::string& text, std::size_t& zero);
  static void run(const StripAccents& step, std::string& text, std::size_t& zero);
  static void run(const Replace& step, std::string& text, std::size_t& zero);
  static void run(const Prepend& step, std::string& text, std::size_t& zero);
  static void run(const ByteLevel& step, std::string& text, std::size_t& zero);
  static void run(const Nmt& step, std::string& text, std::size_t& zero);
  static void run(const Bert& step, std::string& text, std::size_t& zero);
  static void run(const std::shared_ptr<const Precompiled>& step, std::string& text, std::size_t& zero);

  std::vector<Step> steps_;
};

}  // namespace moe
