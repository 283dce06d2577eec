// Pre-tokenizers of tokenizer.json: a text is split into words, which the model then encodes one by one.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/text/known_patterns.h"
#include "engine/text/normalizer.h"
#include "engine/text/regex.h"

namespace moe {

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// Immutable after loading; run() may be called from any number of threads.
class PreTokenizer {
 public:
  // Gets each word in order; the text lives only during the call.
  class Sink {
   public:
    virtual void word(const Piece& piece) = 0;

   protected:
    ~Sink() = default;
  };

  PreTokenizer() = default;  // one word
  // Throws Error (format, unsupported) naming `file` for types and values it does not know.
  PreTokenizer(const nlohmann::json& json, std::string_view file);

  // `piece` is valid UTF-8. Empty words are not passed on.
  void run(const Piece& piece, Sink& sink) const { run_from(0, piece, sink); }

  // True when the last step only spells bytes out, so that a model that takes bytes can be given them as they
  // are.
  bool ends_in_bytes() const noexcept;
  // Leaves that last spelling to the model.
  void leave_bytes() noexcept { spell_last_ = false; }

  // How a run of matches and gaps becomes words. Exposed for tests.
  class Splitter;

 private:
  struct Split {
    std::shared_ptr<const Regex> regex;
    KnownPattern known = KnownPattern::none;  // a hand-written equal of the regex
    std::string literal;                      // not empty: the pattern is this text
    SplitBehavior behavior;
    bool invert;
  };
  struct ByteLevel {
    bool add_prefix_space, use_regex;
  };
  struct Metaspace {
    std::string replacement;
    enum Scheme { first, never, always } scheme;
    bool split;
  };
  // Splits at characters of a class.
  struct Characters {
    enum Class { white_space, digits, punctuation, delimiter } which;
    char32_t delimiter_character;
    SplitBehavior behavior;
  };
  struct Words {};  // runs of \w, and runs of what is neither \w nor space
  struct Bert {};
  struct FixedLength {
    std::size_t characters;
  };
  using Step = std::variant<Split, ByteLevel, Metaspace, Characters, Words, Bert, FixedLength>;

  void add(const nlohmann::json& json, const std::string& type, std::string_view file);
  void run_from(std::size_t step, const Piece& piece, Sink& sink) const;
  void run_step(const Split& s, std::size_t next, const Piece& piece, Sink& sink) const;
  void run_step(const ByteLevel& s, std::size_t next, const Piece& piece, Sink& sink) const;
  void run_step(const Metaspace& s, std::size_t next, const Piece& piece, Sink& sink) const;
  void run_step(const Characters& s, std::size_t next, const Piece& piece, Sink& sink) const;
  void run_step(const Words& s, std::size_t next, const Piece& piece, Sink& sink) const;
  void run_step(const Bert& s, std::size_t next, const Piece& piece, Sink& sink) const;
  void run_step(const FixedLength& s, std::size_t next, const Piece& piece, Sink& sink) const;
  template <typename Emit>
  void split_characters(const Characters& s, const Piece& piece, Emit emit) const;

  std::vector<Step> steps_;
  bool spell_last_ = true;
};

}  // namespace moe
