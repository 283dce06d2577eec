// Splitting an answer written in LaTeX, or in the plain text that models fall back to, into tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moe::eval {

struct Token {
  enum class Kind {
    number,    // decimal digits, perhaps with a point; separators are gone
    symbol,    // one letter or Greek letter
    command,   // a word with a meaning: frac, sqrt, sin, pi, infty, begin, pm, reals, ...
    text,      // words: \text{...}, units, plain words of four letters and more
    relation,  // = < > <= >= != in
    mark,      // one of ( ) [ ] { } | , ; : + - * / ^ _ ! & % ' or "\{" "\}" "\\" "deg"
  };
  Kind kind;
  std::string text;
  bool space = false;  // white space stood before it

  bool is(std::string_view mark_text) const { return kind == Kind::mark && text == mark_text; }
  bool is_command(std::string_view name) const { return kind == Kind::command && text == name; }
};

struct Tokens {
  std::vector<Token> list;
  bool comma_read_as_separator = false;  // a bare comma was read as a thousands separator: 1,234
};

// Thrown by the tokeniser and the parser, caught in math_equivalent: the text is not an answer they can read.
struct NotReadable {};

inline constexpr std::size_t kMostAnswerBytes = 4000;

// `comma_lists`: a bare comma between digits always separates list items. Throws NotReadable.
Tokens tokenize(std::string_view text, bool comma_lists);

}  // namespace moe::eval
