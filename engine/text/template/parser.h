// The parser's state, shared by its two halves: statements and expressions.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/text/template/ast.h"
#include "engine/text/template/lexer.h"

namespace moe::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, Tree& tree) : tokens_(std::move(tokens)), tree_(tree) {}
  void parse_template();

 private:
  using Ends = std::initializer_list<std::string_view>;

  // tokens
  const Token& current() const { return tokens_[position_]; }
  const Token& look() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  const Token& take();
  bool skip_op(std::string_view op);
  bool skip_name(std::string_view name);
  const Token& expect_op(std::string_view op);
  const Token& expect_name(std::string_view name = {});
  void expect_kind(TokenKind kind, std::string_view description);
  [[noreturn]] void expected(std::string_view what) const;
  [[noreturn]] void fail(const std::string& message, int line = 0) const;

  // statements
  std::vector<Stmt*> parse_until(Ends ends);
  std::vector<Stmt*> parse_body(Ends ends, bool drop_end);
  Stmt* parse_statement();
  Stmt* parse_if();
  Stmt* parse_for();
  Stmt* parse_set();
  Stmt* parse_macro();
  Stmt* parse_call_block();
  Stmt* parse_filter_block();
  Stmt* parse_with();
  Stmt* parse_generation();
  Stmt* parse_print();
  Stmt* parse_block();
  Stmt* parse_autoescape();
  Stmt* parse_loader_statement();
  void parse_signature(Macro& macro);
  void parse_macro_body(Macro& macro, std::string_view end);
  [[noreturn]] void fail_unknown_tag(std::string_view name, int line) const;
  [[noreturn]] void fail_end_of_template() const;
  [[noreturn]] void fail_looking(const std::string* name, int line) const;

  // expressions
  Expr* parse_expression(bool with_conditional = true);
  Expr* parse_conditional();
  Expr* parse_or();
  Expr* parse_and();
  Expr* parse_not();
  Expr* parse_compare();
  Expr* parse_sum();
  Expr* parse_concat();
  Expr* parse_product();
  Expr* parse_power();
  Expr* parse_unary(bool with_filter = true);
  Expr* parse_primary(bool with_namespace = false);
  struct TupleStyle {
    bool targets = false;  // names and literals only
    bool with_conditional = true;
    bool parenthesised = false;
    bool with_namespace = false;
  };
  Expr* parse_tuple(const TupleStyle& style);
  Expr* parse_list();
  Expr* parse_dict();
  Expr* parse_postfix(Expr* node);
  Expr* parse_filters_and_tests(Expr* node);
  Expr* parse_subscript(Expr* node);
  Expr* parse_subscribed();
  Expr* parse_call(Expr* node);
  void parse_call_parts(CallParts& parts);
  Expr* parse_filter(Expr* node, bool inline_start = false);
  Expr* parse_test(Expr* node);
  Expr* parse_target(bool with_namespace);
  Expr* parse_target_name();
  void make_target(Expr* node);
  bool at_tuple_end() const;

  // nodes
  Expr* expr(ExprKind kind, int line);
  Expr* binary(ExprKind kind, Expr* a, Expr* b, int line);
  Stmt* stmt(StmtKind kind, int line);
  Symbol symbol(const std::string& name);

  // Bounds recursion; every rule that can nest holds one.
  class Depth {
   public:
    explicit Depth(Parser& parser);
    ~Depth() { --parser_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    Parser& parser_;
  };

  std::vector<Token> tokens_;
  Tree& tree_;
  std::size_t position_ = 0;
  int depth_ = 0;
  struct Unknown {
    std::string message;
    int line;
  };
  std::vector<Unknown> unknown_;  // filters and tests that do not exist
  int loops_ = 0;                 // enclosing for loops of the same function, for break and continue
  int any_loops_ = 0;             // enclosing for loops, macros or not
  std::vector<Macro*> macros_;
  std::vector<std::string> tags_;
  std::vector<std::vector<std::string_view>> ends_;
  std::unordered_map<std::string, Symbol> symbols_;
};

}  // namespace moe::jinja
