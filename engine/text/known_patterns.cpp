// Hand-written equals of the splitting patterns that nearly every byte-level tokenizer uses.
#include "engine/text/known_patterns.h"

#include <array>

#include "engine/base/utf8.h"
#include "engine/text/unicode.h"

namespace moe {
namespace {

constexpr std::string_view gpt2_text =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view llama3_text =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen2_text =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view o200k_text =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// What the patterns ask about a character, in one byte.
using Kind = unsigned char;
constexpr Kind letter = 1, number = 2, space = 4, newline = 8, upper = 16,
               lower = 32;  // upper, lower: o200k's sets

Kind kind_of(unicode::Traits traits, char32_t c) {
  Kind kind = 0;
  const int category = traits & unicode::category_mask;
  if (category >= unicode::Lu && category <= unicode::Lo) kind |= letter;
  if (category >= unicode::Nd && category <= unicode::No) kind |= number;
  if (traits & unicode::white_space) kind |= space;
  if (c == '\r' || c == '\n') kind |= newline;
  const bool both = category == unicode::Lm || category == unicode::Lo ||
                    (category >= unicode::Mn && category <= unicode::Me);
  if (both || category == unicode::Lu || category == unicode::Lt) kind |= upper;
  if (both || category == unicode::Ll) kind |= lower;
  return kind;
}

class Text {
 public:
  explicit Text(std::string_view text) : text_(text) {}
  std::size_t size() const { return text_.size(); }
  char byte(std::size_t at) const { return text_[at]; }

  // The kind of the character at `at`, and its length.
  Kind kind(std::size_t at, std::size_t& length) const {
    static const std::array<Kind, 128> ascii = [] {
      std::array<Kind, 128> kinds{};
      for (char32_t c = 0; c < 128; ++c) kinds[c] = kind_of(unicode::table()[c], c);
      return kinds;
    }();
    const auto first = static_cast<unsigned char>(text_[at]);
    if (first < 0x80) {
      length = 1;
      return ascii[first];
    }
    std::size_t next = at;
    const char32_t c = utf8::next(text_, next);
    length = next - at;
    return kind_of(table_[c], c);
  }
  std::size_t skip(std::size_t at, Kind kinds) const {
    std::size_t length;
    while (at < size() && (kind(at, length) & kinds) != 0) at += length;
    return at;
  }
  std::size_t skip_other(std::size_t at, Kind kinds) const {
    std::size_t length;
    while (at < size() && (kind(at, length) & kinds) == 0) at += length;
    return at;
  }
  std::size_t skip_newlines(std::size_t at, bool slash = false) const {
    while (at < size() && (byte(at) == '\r' || byte(at) == '\n' || (slash && byte(at) == '/'))) ++at;
    return at;
  }

  // The end of 's 't 're 've 'm 'll 'd at `at`, or `at`.
  std::size_t contraction(std::size_t at, bool any_case) const {
    if (at >= size() || byte(at) != '\'' || at + 1 >= size()) return at;
    const auto low = [&](std::size_t i) -> char {
      if (i >= size()) return '\0';
      const char c = byte(i);
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    const char a = low(at + 1), b = low(at + 2);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
    // U+017F, the long s, is an s where case does not matter.
    if (any_case && text_.substr(at + 1, 2) == "\xc5\xbf") return at + 3;
    return at;
  }

  // \s+(?!\S)|\s+ : all the spaces at the end of the text, else all but the last when there are several.
  std::size_t spaces(std::size_t at) const {
    std::size_t end = at, last = at, length;
    while (end < size() && (kind(end, length) & space) != 0) {
      last = end;
      end += length;
    }
    if (end == size() || last == at) return end;
    return last;
  }

 private:
  std::string_view text_;
  const unicode::Traits* table_ = unicode::table();
};

std::size_t gpt2(const Text& text, std::size_t at) {
  if (const std::size_t end = text.contraction(at, false); end != at) return end;
  std::size_t start = at, length;
  if (text.byte(at) == ' ' && at + 1 < text.size()) start = at + 1;
  Kind kind = text.kind(start, length);
  if (start != at && (kind & space) != 0) {
    start = at;
    kind = text.kind(at, length);
  }
  if (kind & letter) return text.skip(start, letter);
  if (kind & number) return text.skip(start, number);
  if (!(kind & space)) return text.skip_other(start, letter | number | space);
  return text.spaces(at);
}

// \s*[\r\n]+ : up to the last newline of the run of spaces, or `at` when it has none.
std::size_t spaces_to_newline(const Text& text, std::size_t at) {
  std::size_t end = at, after_newline = at, length;
  for (Kind kind; end < text.size() && ((kind = text.kind(end, length)) & space) != 0;) {
    end += length;
    if (kind & newline) after_newline = end;
  }
  return after_newline;
}

std::size_t digits(const Text& text, std::size_t at, int most) {
  std::size_t length;
  for (int i = 0; i < most && at < text.size() && (text.kind(at, length) & number) != 0; ++i) at += length;
  return at;
}

// What follows the letters and digits in cl100k and its kin.
std::size_t marks_and_spaces(const Text& text, std::size_t at, bool slash) {
  std::size_t start = at, length;
  if (text.byte(at) == ' ' && at + 1 < text.size() &&
      (text.kind(at + 1, length) & (space | letter | number)) == 0)
    start = at + 1;
  if ((text.kind(start, length) & (space | letter | number)) == 0)
    return text.skip_newlines(text.skip_other(start, space | letter | number), slash);
  if (const std::size_t end = spaces_to_newline(text, at); end != at) return end;
  return text.spaces(at);
}

std::size_t cl100k(const Text& text, std::size_t at, int most_digits) {
  if (const std::size_t end = text.contraction(at, true); end != at) return end;
  std::size_t length;
  const Kind kind = text.kind(at, length);
  if (kind & letter) return text.skip(at, letter);
  if (kind & number) return digits(text, at, most_digits);
  if (!(kind & newline) && at + length < text.size()) {
    std::size_t ignored;
    if (text.kind(at + length, ignored) & letter) return text.skip(at + length, letter);
  }
  return marks_and_spaces(text, at, false);
}

// One of o200k's two word branches from `at`, or 0: [upper]*[lower]+ (some_lower), or [upper]+[lower]*.
std::size_t cased_word(const Text& text, std::size_t at, bool some_lower) {
  const std::size_t uppers = text.skip(at, upper);
  const std::size_t end = text.skip(uppers, lower);
  if (!some_lower) return uppers == at ? 0 : end;
  if (end != uppers) return end;
  // Nothing only-lower follows: give back from the run the last character that is in both sets.
  for (std::size_t back = uppers; back > at;) {
    std::size_t next = back, length;
    do --next;
    while ((static_cast<unsigned char>(text.byte(next)) & 0xc0) == 0x80);
    // Everything after `back` was in the upper set only, so the lower run starts and ends here.
    if (text.kind(next, length) & lower) return back;
    back = next;
  }
  return 0;
}

std::size_t o200k(const Text& text, std::size_t at) {
  std::size_t length;
  const Kind kind = text.kind(at, length);
  // The optional first character: tried first, and a mark may be either it or part of the word.
  const bool lead = !(kind & (letter | number | newline));
  for (const bool some_lower : {true, false}) {
    std::size_t end = 0;
    if (lead && at + length < text.size()) end = cased_word(text, at + length, some_lower);
    if (end == 0) end = cased_word(text, at, some_lower);
    if (end != 0) return text.contraction(end, true);
  }
  if (kind & number) return digits(text, at, 3);
  return marks_and_spaces(text, at, true);
}

}  // namespace

std::string_view pattern_text(KnownPattern pattern) noexcept {
  switch (pattern) {
    case KnownPattern::none:
      return {};
    case KnownPattern::gpt2:
      return gpt2_text;
    case KnownPattern::llama3:
      return llama3_text;
    case KnownPattern::qwen2:
      return qwen2_text;
    case KnownPattern::o200k:
      return o200k_text;
  }
  return {};
}

KnownPattern known_pattern(std::string_view regex) noexcept {
  for (const auto pattern :
       {KnownPattern::gpt2, KnownPattern::llama3, KnownPattern::qwen2, KnownPattern::o200k})
    if (regex == pattern_text(pattern)) return pattern;
  return KnownPattern::none;
}

std::size_t match_known(KnownPattern pattern, std::string_view view, std::size_t at) noexcept {
  const Text text(view);
  switch (pattern) {
    case KnownPattern::gpt2:
      return gpt2(text, at);
    case KnownPattern::llama3:
      return cl100k(text, at, 3);
    case KnownPattern::qwen2:
      return cl100k(text, at, 1);
    case KnownPattern::o200k:
      return o200k(text, at);
    case KnownPattern::none:
      break;
  }
  return view.size();
}

}  // namespace moe
