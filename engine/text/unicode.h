// What is known of each code point: categories, classes, lower case, normalisation forms, clusters.
//
// Answers are those of the `tokenizers` library 0.23 (see unicode_tables.h), whose parts follow different
// Unicode versions, so that texts of any age give the same tokens. Everything here is thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace moe::unicode {

enum Category : std::uint8_t {
  Cn,
  Lu,
  Ll,
  Lt,
  Lm,
  Lo,
  Mn,
  Mc,
  Me,
  Nd,
  Nl,
  No,
  Pc,
  Pd,
  Ps,
  Pe,
  Pi,
  Pf,
  Po,
  Sm,
  Sc,
  Sk,
  So,
  Zs,
  Zl,
  Zp,
  Cc,
  Cf,
  Co,
  Cs
};

// One word a code point: its category in the low five bits, then the classes.
using Traits = std::uint16_t;
inline constexpr Traits category_mask = 0x1f;
inline constexpr Traits white_space = 1 << 5;
inline constexpr Traits regex_word_extra = 1 << 6;  // in \w though neither L, M, Nd nor Pc
inline constexpr Traits rust_word = 1 << 7;  // \w of single-word added tokens and of the Whitespace splitter
inline constexpr Traits numeric = 1 << 8;
inline constexpr Traits punctuation = 1 << 9;
inline constexpr Traits combining_mark = 1 << 10;
inline constexpr Traits newer = 1 << 11;                 // assigned after Unicode 14
inline constexpr Traits compatibility_active = 1 << 13;  // has a decomposition, canonical or not
inline constexpr Traits canonical_active = 1 << 14;      // not inert in NFC: decomposes, reorders or composes
inline constexpr Traits canonical_decomposes = 1 << 15;

// 0x110000 entries, filled on first use.
const Traits* table();

inline Category category(char32_t c) { return static_cast<Category>(table()[c] & category_mask); }
inline bool is_white_space(char32_t c) { return (table()[c] & white_space) != 0; }

// What BertNormalizer drops as control characters, and as accents.
bool is_bert_control(char32_t c);
bool is_bert_nonspacing(char32_t c);

// The lower case of a character: one code point, or two (`second` is not 0). Only U+0130 has two.
char32_t to_lower(char32_t c, char32_t& second);
std::string lower(std::string_view valid_text);

enum class Form { nfc, nfd, nfkc, nfkd };
// `text` must be valid UTF-8. Returns it unchanged where it is already in the form.
std::string normalize(std::string_view text, Form form);
// True where normalize() is certain to change nothing; false says nothing.
bool surely_normalized(std::string_view text, Form form);

// Bytes of the extended grapheme cluster at the start of valid, non-empty text.
std::size_t grapheme_length(std::string_view text);

// Appends the ranges of code points that satisfy `test(traits)` to a PCRE2 class body: "\x{41}-\x{5a}...".
std::string class_ranges(bool (*test)(Traits));

}  // namespace moe::unicode
