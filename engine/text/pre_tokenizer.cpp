// Pre-tokenizers of tokenizer.json: reading them, and splitting.
#include "engine/text/pre_tokenizer.h"

#include <algorithm>

#include "engine/base/utf8.h"
#include "engine/text/byte_level.h"
#include "engine/text/json_fields.h"

namespace moe {
namespace {

namespace jf = json_fields;
constexpr std::size_t max_steps = 100;  // each is a level of calls
constexpr int max_byte_levels = 4;      // each may double a text

SplitBehavior read_behavior(const nlohmann::json& json, std::string_view file, std::string_view thing) {
  const std::string& name = jf::text(json, "behavior", file, thing);
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  jf::wrong(file, fmt::format("{}.behavior", thing),
            "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous", json["behavior"]);
}

char32_t read_character(const nlohmann::json& json, const char* key, std::string_view file,
                        std::string_view thing) {
  const std::string& text = jf::text(json, key, file, thing);
  std::size_t at = 0;
  const char32_t c = text.empty() ? 0 : utf8::next(text, at);
  if (text.empty() || at != text.size())
    jf::wrong(file, fmt::format("{}.{}", thing, key), "one character", text);
  return c;
}

}  // namespace

// Takes spans in order, each a match or a gap, and passes words on as the behaviour demands.
class PreTokenizer::Splitter {
 public:
  explicit Splitter(SplitBehavior behavior) : behavior_(behavior) {}

  template <typename Emit>
  void span(std::size_t begin, std::size_t end, bool match, Emit emit) {
    switch (behavior_) {
      case SplitBehavior::isolated:
        emit(begin, end);
        return;
      case SplitBehavior::removed:
        if (!match) emit(begin, end);
        return;
      case SplitBehavior::contiguous:
        add(begin, end, match == last_match_, emit);
        break;
      case SplitBehavior::merged_with_previous:
        add(begin, end, match && !last_match_, emit);
        break;
      case SplitBehavior::merged_with_next:
        add(begin, end, !match && held_ && last_match_, emit);
        break;
    }
    last_match_ = match;
  }
  template <typename Emit>
  void finish(Emit emit) {
    if (held_) emit(begin_, end_);
    held_ = false;
  }

 private:
  template <typename Emit>
  void add(std::size_t begin, std::size_t end, bool extends, Emit emit) {
    if (extends && held_) {
      end_ = end;
      return;
    }
    finish(emit);
    begin_ = begin;
    end_ = end;
    held_ = true;
  }
  SplitBehavior behavior_;
  bool last_match_ = false, held_ = false;
  std::size_t begin_ = 0, end_ = 0;
};

PreTokenizer::PreTokenizer(const nlohmann::json& json, std::string_view file) {
  if (json.is_null()) return;
  jf::each_step(json, "pretokenizers", file, "pre_tokenizer", steps_, max_steps,
                [&](const nlohmann::json& step, const std::string& type) { add(step, type, file); });
}

void PreTokenizer::add(const nlohmann::json& json, const std::string& type, std::string_view file) {
  const std::string thing = "pre_tokenizer";
  if (type == "Split") {
    const auto& pattern = jf::need(json, "pattern", file, thing);
    Split split{nullptr, KnownPattern::none, "", read_behavior(json, file, thing),
                jf::flag(json, "invert", file, thing)};
    if (pattern.is_object() && pattern.contains("String")) {
      split.literal = jf::text(pattern, "String", file, thing + ".pattern");
      split.regex = std::make_shared<Regex>(Regex::literal(split.literal, file, thing + ".pattern"));
    } else {
      const std::string& regex = jf::text(pattern, "Regex", file, thing + ".pattern");
      split.known = known_pattern(regex);
      split.regex = std::make_shared<Regex>(regex, file, thing + ".pattern");
    }
    steps_.emplace_back(std::move(split));
  } else if (type == "ByteLevel") {
    const auto is_byte_level = [](const Step& step) { return std::holds_alternative<ByteLevel>(step); };
    if (std::count_if(steps_.begin(), steps_.end(), is_byte_level) >= max_byte_levels)
      throw Error(ErrorKind::limit,
                  Fault{std::string(file), thing, fmt::format("at most {} ByteLevel steps", max_byte_levels),
                        "more"});
    steps_.emplace_back(ByteLevel{jf::flag(json, "add_prefix_space", file, thing),
                                  jf::flag(json, "use_regex", true, file, thing)});
  } else if (type == "Metaspace") {
    const std::string scheme =
        json.contains("prepend_scheme") ? jf::text(json, "prepend_scheme", file, thing) : "always";
    if (scheme != "first" && scheme != "never" && scheme != "always")
      jf::wrong(file, thing + ".prepend_scheme", "first, never or always", json["prepend_scheme"]);
    if (scheme != "never" && !jf::flag(json, "add_prefix_space", true, file, thing))
      jf::wrong(file, thing + ".prepend_scheme", "never, as add_prefix_space is false", scheme);
    steps_.emplace_back(Metaspace{utf8::encode(read_character(json, "replacement", file, thing)),
                                  scheme == "first"   ? Metaspace::first
                                  : scheme == "never" ? Metaspace::never
                                                      : Metaspace::always,
                                  jf::flag(json, "split", true, file, thing)});
  } else if (type == "Digits") {
    const bool individual = jf::flag(json, "individual_digits", file, thing);
    steps_.emplace_back(
        Characters{Characters::digits, 0, individual ? SplitBehavior::isolated : SplitBehavior::contiguous});
  } else if (type == "Punctuation") {
    steps_.emplace_back(
        Characters{Characters::punctuation, 0,
                   json.contains("behavior") ? read_behavior(json, file, thing) : SplitBehavior::isolated});
  } else if (type == "Whitespace") {
    steps_.emplace_back(Words{});
  } else if (type == "WhitespaceSplit") {
    steps_.emplace_back(Characters{Characters::white_space, 0, SplitBehavior::removed});
  } else if (type == "CharDelimiterSplit") {
    steps_.emplace_back(Characters{Characters::delimiter, read_character(json, "delimiter", file, thing),
                                   SplitBehavior::removed});
  } else if (type == "BertPreTokenizer") {
    steps_.emplace_back(Bert{});
  } else if (type == "FixedLength") {
    const std::uint64_t length = json.contains("length") ? jf::whole(json, "length", file, thing) : 5;
    if (length == 0) jf::wrong(file, thing + ".length", "at least 1", json["length"]);
    steps_.emplace_back(FixedLength{length});
  } else {
    jf::unknown_type(
        file, thing,
        "Sequence, Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit, "
        "CharDelimiterSplit, BertPreTokenizer or FixedLength",
        type);
  }
}

bool PreTokenizer::ends_in_bytes() const noexcept {
  if (steps_.empty() || !std::holds_alternative<ByteLevel>(steps_.back())) return false;
  // An earlier one would have spelt the bytes out already.
  for (std::size_t i = 0; i + 1 < steps_.size(); ++i)
    if (std::holds_alternative<ByteLevel>(steps_[i])) return false;
  return true;
}

void PreTokenizer::run_from(std::size_t step, const Piece& piece, Sink& sink) const {
  if (piece.text.empty()) return;
  if (step == steps_.size()) return sink.word(piece);
  std::visit([&](const auto& s) { run_step(s, step + 1, piece, sink); }, steps_[step]);
}

void PreTokenizer::run_step(const Split& s, std::size_t next, const Piece& piece, Sink& sink) const {
  const auto emit = [&](std::size_t begin, std::size_t end) {
    run_from(next, piece.slice(begin, end), sink);
  };
  const std::string_view text = piece.text;
  // A known pattern's matches cover the text, so with these two ways of reading it every match is a word.
  if (s.known != KnownPattern::none &&
      (s.behavior == SplitBehavior::isolated || (s.behavior == SplitBehavior::removed && s.invert))) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = match_known(s.known, text, at);
      emit(at, end);
      at = end;
    }
    return;
  }
  Splitter splitter(s.behavior);
  std::size_t done = 0;
  const auto match = [&](std::size_t begin, std::size_t end) {
    if (done != begin) splitter.span(done, begin, s.invert, emit);
    splitter.span(begin, end, !s.invert, emit);
    done = end;
  };
  if (!s.literal.empty()) {
    for (std::size_t at = text.find(s.literal); at != std::string_view::npos;
         at = text.find(s.literal, at + s.literal.size()))
      match(at, at + s.literal.size());
  } else {
    Regex::Matches matches(*s.regex, text);
    for (std::size_t begin, end; matches.next(begin, end);) match(begin, end);
  }
  if (done != text.size()) splitter.span(done, text.size(), s.invert, emit);
  splitter.finish(emit);
}

void PreTokenizer::run_step(const ByteLevel& s, std::size_t next, const Piece& piece, Sink& sink) const {
  std::string spaced;
  Piece whole = piece;
  if (s.add_prefix_space && piece.text[0] != ' ') {
    spaced = " ";
    spaced += piece.text;
    whole = {spaced, piece.zero > 0 ? piece.zero + 1 : 0};
  }
  const bool spell = spell_last_ || next != steps_.size();
  const auto emit = [&](std::size_t begin, std::size_t end) {
    const Piece word = whole.slice(begin, end);
    if (!spell) return run_from(next, word, sink);
    const std::string spelt = byte_level::spell(word.text);
    const std::size_t zero = word.zero == 0 ? 0 : byte_level::spell(word.text.substr(0, word.zero)).size();
    run_from(next, Piece{spelt, zero}, sink);
  };
  if (!s.use_regex) return emit(0, whole.text.size());
  for (std::size_t at = 0; at < whole.text.size();) {
    const std::size_t end = match_known(KnownPattern::gpt2, whole.text, at);
    emit(at, end);
    at = end;
  }
}

void PreTokenizer::run_step(const Metaspace& s, std::size_t next, const Piece& piece, Sink& sink) const {
  std::string text;
  std::size_t zero = 0;
  text.reserve(piece.text.size() + 8);
  for (std::size_t i = 0; i < piece.text.size(); ++i) {
    if (piece.text[i] == ' ')
      text += s.replacement;
    else
      text += piece.text[i];
    if (i < piece.zero) zero = text.size();
  }
  const bool has = std::string_view(text).substr(0, s.replacement.size()) == s.replacement;
  if (!has && (s.scheme == Metaspace::always || (s.scheme == Metaspace::first && piece.zero > 0))) {
    text.insert(0, s.replacement);
    if (zero > 0) zero += s.replacement.size();
  }
  const Piece whole{text, zero};
  if (!s.split) return run_from(next, whole, sink);
  const auto emit = [&](std::size_t begin, std::size_t end) {
    run_from(next, whole.slice(begin, end), sink);
  };
  Splitter splitter(SplitBehavior::merged_with_next);
  std::size_t done = 0;
  for (std::size_t at = text.find(s.replacement); at != std::string::npos;
       at = text.find(s.replacement, at + s.replacement.size())) {
    if (done != at) splitter.span(done, at, false, emit);
    splitter.span(at, at + s.replacement.size(), true, emit);
    done = at + s.replacement.size();
  }
  if (done != text.size()) splitter.span(done, text.size(), false, emit);
  splitter.finish(emit);
}

template <typename Emit>
void PreTokenizer::split_characters(const Characters& s, const Piece& piece, Emit emit) const {
  const unicode::Traits* traits = unicode::table();
  const unicode::Traits flag = s.which == Characters::white_space ? unicode::white_space
                               : s.which == Characters::digits    ? unicode::numeric
                                                                  : unicode::punctuation;
  Splitter splitter(s.behavior);
  std::size_t done = 0;
  for (std::size_t at = 0; at < piece.text.size();) {
    const std::size_t start = at;
    const char32_t c = utf8::next(piece.text, at);
    if (s.which == Characters::delimiter ? c != s.delimiter_character : (traits[c] & flag) == 0) continue;
    if (done < start) splitter.span(done, start, false, emit);
    splitter.span(start, at, true, emit);
    done = at;
  }
  if (done < piece.text.size()) splitter.span(done, piece.text.size(), false, emit);
  splitter.finish(emit);
}

void PreTokenizer::run_step(const Characters& s, std::size_t next, const Piece& piece, Sink& sink) const {
  split_characters(
      s, piece, [&](std::size_t begin, std::size_t end) { run_from(next, piece.slice(begin, end), sink); });
}

void PreTokenizer::run_step(const Words&, std::size_t next, const Piece& piece, Sink& sink) const {
  const unicode::Traits* traits = unicode::table();
  const auto kind = [&](char32_t c) {
    return (traits[c] & unicode::rust_word) != 0 ? 1 : (traits[c] & unicode::white_space) != 0 ? 0 : 2;
  };
  int last = 0;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < piece.text.size();) {
    const std::size_t start = at;
    const int now = kind(utf8::next(piece.text, at));
    if (now == last) continue;
    if (last) run_from(next, piece.slice(begin, start), sink);
    begin = start;
    last = now;
  }
  if (last) run_from(next, piece.slice(begin, piece.text.size()), sink);
}

void PreTokenizer::run_step(const Bert&, std::size_t next, const Piece& piece, Sink& sink) const {
  split_characters({Characters::white_space, 0, SplitBehavior::removed}, piece,
                   [&](std::size_t begin, std::size_t end) {
                     run_step(Characters{Characters::punctuation, 0, SplitBehavior::isolated}, next,
                              piece.slice(begin, end), sink);
                   });
}

void PreTokenizer::run_step(const FixedLength& s, std::size_t next, const Piece& piece, Sink& sink) const {
  for (std::size_t at = 0; at < piece.text.size();) {
    const std::size_t start = at;
    for (std::size_t i = 0; i < s.characters && at < piece.text.size(); ++i) utf8::next(piece.text, at);
    run_from(next, piece.slice(start, at), sink);
  }
}

}  // namespace moe
