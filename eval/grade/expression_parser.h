// Tokens to expressions: sums, products (written or implied), powers, fractions, roots, functions, mixed
// numbers.
#pragma once

#include <cstddef>
#include <vector>

#include "eval/grade/expression.h"
#include "eval/grade/latex_tokens.h"

namespace moe::eval {

// Half-open range of tokens.
struct Span {
  std::size_t begin = 0, end = 0;
  std::size_t size() const { return end - begin; }
};

// Tokens with the partner of each bracket. '(' and '[' pair with ')' and ']' alike, as intervals need.
class TokenTree {
 public:
  explicit TokenTree(std::vector<Token> tokens);  // throws NotReadable where brackets do not pair

  const Token& at(std::size_t i) const { return tokens_[i]; }
  std::size_t size() const { return tokens_.size(); }
  // For an opening bracket, its closing one; for any other token, itself.
  std::size_t partner(std::size_t i) const { return partner_[i]; }
  bool opens(std::size_t i) const { return partner_[i] > i; }

 private:
  std::vector<Token> tokens_;
  std::vector<std::size_t> partner_;
};

// `flip`: 0 refuses the sign plus-or-minus, +1 and -1 read it (and the opposite of minus-or-plus) as that
// sign. Throws NotReadable; recursion is bounded.
Expr parse_expression(const TokenTree& tokens, Span span, int flip);

}  // namespace moe::eval
