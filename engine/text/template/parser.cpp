// Statements: the tags between {% and %}.
#include "engine/text/template/parser.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/text/template/repr.h"

namespace moe::jinja {
namespace {
constexpr int kDeepestSyntax = 120;
}

Parser::Depth::Depth(Parser& parser) : parser_(parser) {
  if (++parser_.depth_ > kDeepestSyntax) {
    --parser_.depth_;
    throw SyntaxFailure(fmt::format("the template is nested deeper than {} levels", kDeepestSyntax),
                        parser_.current().line, ErrorKind::limit);
  }
}

const Token& Parser::take() {
  const Token& token = tokens_[position_];
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}

void Parser::fail(const std::string& message, int line) const {
  throw SyntaxFailure(message, line ? line : current().line);
}

void Parser::expected(std::string_view what) const {
  if (current().kind == TokenKind::end) fail(fmt::format("unexpected end of template, expected '{}'.", what));
  fail(fmt::format("expected token '{}', got {}", what, string_repr(describe(current()))));
}

bool Parser::skip_op(std::string_view op) {
  if (!current().is_op(op)) return false;
  take();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

const Token& Parser::expect_op(std::string_view op) {
  if (!current().is_op(op)) expected(op);
  return take();
}

const Token& Parser::expect_name(std::string_view name) {
  if (current().kind != TokenKind::name || (!name.empty() && current().text != name)) {
    expected(name.empty() ? "name" : name);
  }
  return take();
}

void Parser::expect_kind(TokenKind kind, std::string_view description) {
  if (current().kind != kind) expected(description);
  take();
}

Expr* Parser::expr(ExprKind kind, int line) {
  Expr& node = tree_.exprs.emplace_back();
  node.kind = kind;
  node.line = line;
  return &node;
}

Expr* Parser::binary(ExprKind kind, Expr* a, Expr* b, int line) {
  Expr* node = expr(kind, line);
  node->a = a;
  node->b = b;
  return node;
}

Stmt* Parser::stmt(StmtKind kind, int line) {
  Stmt& node = tree_.stmts.emplace_back();
  node.kind = kind;
  node.line = line;
  return &node;
}

Symbol Parser::symbol(const std::string& name) {
  const auto [it, added] = symbols_.emplace(name, static_cast<Symbol>(tree_.symbols.size()));
  if (added) tree_.symbols.push_back(name);
  return it->second;
}

void Parser::parse_template() {
  tree_.body = parse_until({});
  if (!unknown_.empty()) fail(unknown_.front().message, unknown_.front().line);
}

// ---- bodies

std::vector<Stmt*> Parser::parse_until(Ends ends) {
  const Depth depth(*this);
  std::vector<Stmt*> body;
  Stmt* output = nullptr;
  if (ends.size()) ends_.emplace_back(ends);
  const auto add_output = [&](Expr* node, int line) {
    if (!output) body.push_back(output = stmt(StmtKind::output, line));
    output->exprs.push_back(node);
  };
  while (current().kind != TokenKind::end) {
    const Token& token = current();
    if (token.kind == TokenKind::data) {
      Expr* node = expr(ExprKind::constant, token.line);
      node->value = tree_.constants.string(token.text);
      add_output(node, token.line);
      take();
    } else if (token.kind == TokenKind::variable_begin) {
      const int line = token.line;
      take();
      add_output(parse_tuple({}), line);
      expect_kind(TokenKind::variable_end, "end of print statement");
    } else if (token.kind == TokenKind::block_begin) {
      output = nullptr;
      take();
      const auto is_end = [this](std::string_view end) { return current().is_name(end); };
      if (std::any_of(ends.begin(), ends.end(), is_end)) {
        ends_.pop_back();
        return body;
      }
      body.push_back(parse_statement());
      expect_kind(TokenKind::block_end, "end of statement block");
    } else {
      fail("internal parsing error");
    }
  }
  if (ends.size()) fail_end_of_template();
  return body;
}

std::vector<Stmt*> Parser::parse_body(Ends ends, bool drop_end) {
  skip_op(":");
  expect_kind(TokenKind::block_end, "end of statement block");
  std::vector<Stmt*> body = parse_until(ends);
  if (drop_end) take();
  return body;
}

void Parser::fail_end_of_template() const { fail_looking(nullptr, 0); }

void Parser::fail_unknown_tag(std::string_view name, int line) const {
  const std::string copy(name);
  fail_looking(&copy, line);
}

void Parser::fail_looking(const std::string* name, int line) const {
  std::string message = name ? fmt::format("Encountered unknown tag {}.", string_repr(*name))
                             : std::string("Unexpected end of template.");
  if (!ends_.empty()) {
    std::string looking;
    for (const std::string_view end : ends_.back())
      looking += fmt::format("{}'{}'", looking.empty() ? "" : " or ", end);
    const auto named = [name](const auto& list) {
      return name && std::find(list.begin(), list.end(), *name) != list.end();
    };
    if (std::any_of(ends_.begin(), ends_.end(), named)) {
      message += fmt::format(
          " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for {}.",
          looking);
    } else {
      message += fmt::format(" Jinja was looking for the following tags: {}.", looking);
    }
  }
  if (!tags_.empty()) {
    message += fmt::format(" The innermost block that needs to be closed is '{}'.", tags_.back());
  }
  fail(message, line);
}

// ---- statements

Stmt* Parser::parse_statement() {
  const Token& token = current();
  if (token.kind != TokenKind::name) fail("tag name expected");
  const std::string& name = token.text;
  using Rule = Stmt* (Parser::*)();
  static const std::unordered_map<std::string_view, Rule> rules = {
      {"if", &Parser::parse_if},
      {"for", &Parser::parse_for},
      {"set", &Parser::parse_set},
      {"macro", &Parser::parse_macro},
      {"call", &Parser::parse_call_block},
      {"filter", &Parser::parse_filter_block},
      {"with", &Parser::parse_with},
      {"generation", &Parser::parse_generation},
      {"print", &Parser::parse_print},
      {"block", &Parser::parse_block},
      {"autoescape", &Parser::parse_autoescape},
      {"include", &Parser::parse_loader_statement},
      {"import", &Parser::parse_loader_statement},
      {"from", &Parser::parse_loader_statement},
      {"extends", &Parser::parse_loader_statement},
  };
  if (name == "break" || name == "continue") {
    if (loops_ == 0) fail(fmt::format("'{}' outside loop", name));
    Stmt* node = stmt(name == "break" ? StmtKind::break_ : StmtKind::continue_, token.line);
    take();
    return node;
  }
  const auto rule = rules.find(name);
  if (rule == rules.end()) fail_unknown_tag(name, token.line);
  tags_.push_back(name);
  Stmt* node = (this->*rule->second)();
  tags_.pop_back();
  return node;
}

Stmt* Parser::parse_if() {
  Stmt* node = stmt(StmtKind::if_, take().line);
  const std::size_t unknown = unknown_.size();
  for (;;) {
    Expr* condition = parse_tuple({.with_conditional = false});
    node->branches.push_back({condition, parse_body({"elif", "else", "endif"}, false)});
    const Token& end = take();
    if (end.is_name("elif")) continue;
    if (end.is_name("else")) node->otherwise = parse_body({"endif"}, true);
    break;
  }
  unknown_.resize(unknown);  // what may never run is reported only when it does
  return node;
}

Stmt* Parser::parse_for() {
  Stmt* node = stmt(StmtKind::for_, take().line);
  ++any_loops_;
  node->target = parse_target(false);
  expect_name("in");
  node->value = parse_tuple({.with_conditional = false});
  if (skip_name("if")) node->condition = parse_expression();
  node->recursive = skip_name("recursive");
  ++loops_;
  node->body = parse_body({"endfor", "else"}, false);
  --loops_;
  if (take().is_name("else")) node->otherwise = parse_body({"endfor"}, true);
  --any_loops_;
  return node;
}

Stmt* Parser::parse_set() {
  Stmt* node = stmt(StmtKind::set, take().line);
  node->target = parse_target(true);
  if (skip_op("=")) {
    node->value = parse_tuple({});
    return node;
  }
  node->kind = StmtKind::set_block;
  node->value = parse_filter(nullptr);
  node->body = parse_body({"endset"}, true);
  return node;
}

void Parser::parse_signature(Macro& macro) {
  expect_op("(");
  while (!current().is_op(")")) {
    if (!macro.parameters.empty()) expect_op(",");
    const Expr* parameter = parse_target_name();
    if (skip_op("=")) {
      macro.defaults.push_back(parse_expression());
    } else if (!macro.defaults.empty()) {
      fail("non-default argument follows default argument");
    }
    macro.parameters.push_back(parameter->symbol);
    macro.parameter_names.push_back(parameter->text);
  }
  expect_op(")");
}

void Parser::parse_macro_body(Macro& macro, std::string_view end) {
  const int loops = std::exchange(loops_, 0);
  macros_.push_back(&macro);
  macro.body = parse_body({end}, true);
  macros_.pop_back();
  loops_ = loops;
  const auto is_parameter = [&macro](std::string_view name) {
    return std::find(macro.parameter_names.begin(), macro.parameter_names.end(), name) !=
           macro.parameter_names.end();
  };
  if (is_parameter("caller")) {
    const auto index = static_cast<std::size_t>(
        std::find(macro.parameter_names.begin(), macro.parameter_names.end(), "caller") -
        macro.parameter_names.begin());
    if (macro.uses_caller && index + macro.defaults.size() < macro.parameters.size()) {
      fail(
          "When defining macros or call blocks the special \"caller\" argument must be omitted or be given a "
          "default.");
    }
    macro.uses_caller = false;
  }
  if (is_parameter("kwargs")) macro.uses_kwargs = false;
  if (is_parameter("varargs")) macro.uses_varargs = false;
}

Stmt* Parser::parse_macro() {
  Stmt* node = stmt(StmtKind::macro, take().line);
  const Expr* name = parse_target_name();
  node->symbol = name->symbol;
  node->macro.name = name->text;
  parse_signature(node->macro);
  parse_macro_body(node->macro, "endmacro");
  return node;
}

Stmt* Parser::parse_call_block() {
  Stmt* node = stmt(StmtKind::call_block, take().line);
  node->macro.anonymous = true;
  if (current().is_op("(")) parse_signature(node->macro);
  node->value = parse_expression();
  if (node->value->kind != ExprKind::call) fail("expected call", node->line);
  parse_macro_body(node->macro, "endcall");
  return node;
}

// The part of the prompt that a model wrote itself: rendered like any other.
Stmt* Parser::parse_generation() {
  Stmt* node = stmt(StmtKind::generation, take().line);
  node->macro.anonymous = true;
  parse_macro_body(node->macro, "endgeneration");
  return node;
}

Stmt* Parser::parse_filter_block() {
  Stmt* node = stmt(StmtKind::filter_block, take().line);
  node->value = parse_filter(nullptr, true);
  node->body = parse_body({"endfilter"}, true);
  return node;
}

Stmt* Parser::parse_with() {
  Stmt* node = stmt(StmtKind::with, take().line);
  while (current().kind != TokenKind::block_end) {
    if (!node->targets.empty()) expect_op(",");
    node->targets.push_back(parse_target(false));
    expect_op("=");
    node->exprs.push_back(parse_expression());
  }
  node->body = parse_body({"endwith"}, true);
  return node;
}

Stmt* Parser::parse_print() {
  Stmt* node = stmt(StmtKind::output, take().line);
  while (current().kind != TokenKind::block_end) {
    if (!node->exprs.empty()) expect_op(",");
    node->exprs.push_back(parse_expression());
  }
  return node;
}

Stmt* Parser::parse_block() {
  Stmt* node = stmt(StmtKind::block, take().line);
  const std::string name = expect_name().text;
  const bool scoped = skip_name("scoped");
  node->recursive = scoped;  // sees the variables around it
  skip_name("required");
  if (current().is_op("-")) {
    fail(
        "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an "
        "underscore instead.");
  }
  const int loops = std::exchange(loops_, 0);
  node->body = parse_body({"endblock"}, true);
  loops_ = loops;
  skip_name(name);
  return node;
}

Stmt* Parser::parse_autoescape() {
  Stmt* node = stmt(StmtKind::scope, take().line);
  const Expr* on = parse_expression();
  if (on->kind != ExprKind::constant || truth(on->value)) {
    throw SyntaxFailure("autoescape is not supported", node->line, ErrorKind::unsupported);
  }
  node->body = parse_body({"endautoescape"}, true);
  return node;
}

Stmt* Parser::parse_loader_statement() {
  Stmt* node = stmt(StmtKind::needs_loader, current().line);
  while (current().kind != TokenKind::block_end && current().kind != TokenKind::end) take();
  return node;
}

void parse(std::string_view source, Tree& tree) { Parser(tokenize(source), tree).parse_template(); }

}  // namespace moe::jinja
