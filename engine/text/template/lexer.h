// Splits template source into text and tokens, with the whitespace control that chat templates are rendered
// with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/template/value.h"

namespace moe::jinja {

// A fault in the template's own text, with its line.
class SyntaxFailure : public Failure {
 public:
  SyntaxFailure(const std::string& message, int line, ErrorKind kind = ErrorKind::format)
      : Failure(kind, message), line_(line) {}
  int line() const noexcept { return line_; }

 private:
  int line_;
};

enum class TokenKind : std::uint8_t {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  op,
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  int line = 1;
  std::string text;  // data, name, decoded string, or the operator
  std::int64_t integer = 0;
  double real = 0;

  bool is_op(std::string_view op) const { return kind == TokenKind::op && text == op; }
  bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
};

// How messages name a token, e.g. "end of print statement".
std::string describe(const Token& token);

// trim_blocks and lstrip_blocks on, one trailing newline dropped, newlines normalised to \n.
// The source must be valid UTF-8. Throws SyntaxFailure.
std::vector<Token> tokenize(std::string_view source);

}  // namespace moe::jinja
