// Expressions, by precedence from the conditional down to names and literals.
#include <algorithm>

#include <fmt/format.h>

#include "engine/text/template/filters.h"
#include "engine/text/template/parser.h"
#include "engine/text/template/repr.h"

namespace moe::jinja {

Expr* Parser::parse_expression(bool with_conditional) {
  return with_conditional ? parse_conditional() : parse_or();
}

Expr* Parser::parse_conditional() {
  const Depth depth(*this);
  int line = current().line;
  const std::size_t unknown = unknown_.size();
  Expr* left = parse_or();
  while (skip_name("if")) {
    Expr* node = expr(ExprKind::conditional, line);
    node->a = left;
    node->b = parse_or();
    node->c = skip_name("else") ? parse_conditional() : nullptr;
    unknown_.resize(unknown);  // what may never run is reported only when it does
    left = node;
    line = current().line;
  }
  return left;
}

Expr* Parser::parse_or() {
  int line = current().line;
  Expr* left = parse_and();
  while (skip_name("or")) {
    left = binary(ExprKind::logical_or, left, parse_and(), line);
    line = current().line;
  }
  return left;
}

Expr* Parser::parse_and() {
  int line = current().line;
  Expr* left = parse_not();
  while (skip_name("and")) {
    left = binary(ExprKind::logical_and, left, parse_not(), line);
    line = current().line;
  }
  return left;
}

Expr* Parser::parse_not() {
  const Depth depth(*this);
  if (!current().is_name("not")) return parse_compare();
  const int line = take().line;
  Expr* operand = parse_not();
  return binary(ExprKind::logical_not, operand, nullptr, line);
}

Expr* Parser::parse_compare() {
  static constexpr std::pair<std::string_view, CompareOp> kOps[] = {
      {"==", CompareOp::eq}, {"!=", CompareOp::ne}, {"<", CompareOp::lt},
      {"<=", CompareOp::le}, {">", CompareOp::gt},  {">=", CompareOp::ge}};
  const int line = current().line;
  Expr* first = parse_sum();
  std::vector<std::pair<CompareOp, Expr*>> compares;
  for (;;) {
    const auto op = std::find_if(std::begin(kOps), std::end(kOps),
                                 [this](const auto& o) { return current().is_op(o.first); });
    if (op != std::end(kOps)) {
      take();
      compares.emplace_back(op->second, parse_sum());
    } else if (skip_name("in")) {
      compares.emplace_back(CompareOp::in, parse_sum());
    } else if (current().is_name("not") && look().is_name("in")) {
      take();
      take();
      compares.emplace_back(CompareOp::not_in, parse_sum());
    } else {
      break;
    }
  }
  if (compares.empty()) return first;
  Expr* node = expr(ExprKind::compare, line);
  node->a = first;
  node->compares = std::move(compares);
  return node;
}

Expr* Parser::parse_sum() {
  int line = current().line;
  Expr* left = parse_concat();
  while (current().is_op("+") || current().is_op("-")) {
    const ExprKind kind = take().text == "+" ? ExprKind::add : ExprKind::subtract;
    left = binary(kind, left, parse_concat(), line);
    line = current().line;
  }
  return left;
}

Expr* Parser::parse_concat() {
  const int line = current().line;
  Expr* first = parse_product();
  if (!current().is_op("~")) return first;
  Expr* node = expr(ExprKind::concat, line);
  node->items.push_back(first);
  while (skip_op("~")) node->items.push_back(parse_product());
  return node;
}

Expr* Parser::parse_product() {
  static constexpr std::pair<std::string_view, ExprKind> kOps[] = {{"*", ExprKind::multiply},
                                                                   {"/", ExprKind::divide},
                                                                   {"//", ExprKind::floor_divide},
                                                                   {"%", ExprKind::modulo}};
  int line = current().line;
  Expr* left = parse_power();
  for (;;) {
    const auto op = std::find_if(std::begin(kOps), std::end(kOps),
                                 [this](const auto& o) { return current().is_op(o.first); });
    if (op == std::end(kOps)) return left;
    take();
    left = binary(op->second, left, parse_power(), line);
    line = current().line;
  }
}

Expr* Parser::parse_power() {
  int line = current().line;
  Expr* left = parse_unary();
  while (skip_op("**")) {
    left = binary(ExprKind::power, left, parse_unary(), line);
    line = current().line;
  }
  return left;
}

Expr* Parser::parse_unary(bool with_filter) {
  const Depth depth(*this);
  const int line = current().line;
  Expr* node = nullptr;
  if (current().is_op("-") || current().is_op("+")) {
    const ExprKind kind = take().text == "-" ? ExprKind::negate : ExprKind::plus;
    Expr* operand = parse_unary(false);
    node = binary(kind, operand, nullptr, line);
  } else {
    node = parse_primary();
  }
  node = parse_postfix(node);
  return with_filter ? parse_filters_and_tests(node) : node;
}

Expr* Parser::parse_primary(bool with_namespace) {
  const Token& token = current();
  const auto constant = [&](Value value) {
    Expr* node = expr(ExprKind::constant, token.line);
    node->value = value;
    return node;
  };
  switch (token.kind) {
    case TokenKind::name: {
      take();
      if (token.text == "true" || token.text == "True") return constant(Value::boolean(true));
      if (token.text == "false" || token.text == "False") return constant(Value::boolean(false));
      if (token.text == "none" || token.text == "None") return constant(Value());
      Expr* node = expr(ExprKind::name, token.line);
      if (with_namespace && skip_op(".")) {
        node->kind = ExprKind::member_target;
        node->value = tree_.constants.string(expect_name().text);
      }
      node->text = token.text;
      node->symbol = symbol(token.text);
      for (Macro* macro : macros_) {
        macro->uses_caller = macro->uses_caller || token.text == "caller";
        macro->uses_kwargs = macro->uses_kwargs || token.text == "kwargs";
        macro->uses_varargs = macro->uses_varargs || token.text == "varargs";
      }
      return node;
    }
    case TokenKind::string: {
      std::string text;
      while (current().kind == TokenKind::string) text += take().text;
      return constant(tree_.constants.string(std::move(text)));
    }
    case TokenKind::integer:
      take();
      return constant(Value::integer(token.integer));
    case TokenKind::real:
      take();
      return constant(Value::real(token.real));
    case TokenKind::op:
      if (token.text == "(") {
        take();
        Expr* node = parse_tuple({.parenthesised = true});
        expect_op(")");
        return node;
      }
      if (token.text == "[") return parse_list();
      if (token.text == "{") return parse_dict();
      break;
    default:
      break;
  }
  fail(fmt::format("unexpected {}", string_repr(describe(token))));
}

bool Parser::at_tuple_end() const {
  const Token& token = current();
  return token.kind == TokenKind::variable_end || token.kind == TokenKind::block_end || token.is_op(")");
}

Expr* Parser::parse_tuple(const TupleStyle& style) {
  const Depth depth(*this);
  int line = current().line;
  std::vector<Expr*> items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) expect_op(",");
    if (at_tuple_end()) break;
    items.push_back(style.targets ? parse_primary(style.with_namespace)
                                  : parse_expression(style.with_conditional));
    if (!current().is_op(",")) break;
    is_tuple = true;
    line = current().line;
  }
  if (!is_tuple) {
    if (!items.empty()) return items.front();
    if (!style.parenthesised)
      fail(fmt::format("Expected an expression, got {}", string_repr(describe(current()))));
  }
  Expr* node = expr(ExprKind::tuple, line);
  node->items = std::move(items);
  return node;
}

Expr* Parser::parse_list() {
  Expr* node = expr(ExprKind::list, expect_op("[").line);
  while (!current().is_op("]")) {
    if (!node->items.empty()) expect_op(",");
    if (current().is_op("]")) break;
    Expr* item = parse_expression();
    node->items.push_back(item);
  }
  expect_op("]");
  return node;
}

Expr* Parser::parse_dict() {
  Expr* node = expr(ExprKind::dict, expect_op("{").line);
  while (!current().is_op("}")) {
    if (!node->items.empty()) expect_op(",");
    if (current().is_op("}")) break;
    Expr* key = parse_expression();
    expect_op(":");
    Expr* value = parse_expression();
    node->items.push_back(key);
    node->items.push_back(value);
  }
  expect_op("}");
  return node;
}

Expr* Parser::parse_postfix(Expr* node) {
  for (;;) {
    if (current().is_op(".") || current().is_op("[")) {
      node = parse_subscript(node);
    } else if (current().is_op("(")) {
      node = parse_call(node);
    } else {
      return node;
    }
  }
}

Expr* Parser::parse_filters_and_tests(Expr* node) {
  for (;;) {
    if (current().is_op("|")) {
      node = parse_filter(node);
    } else if (current().is_name("is")) {
      node = parse_test(node);
    } else if (current().is_op("(")) {
      node = parse_call(node);
    } else {
      return node;
    }
  }
}

Expr* Parser::parse_subscript(Expr* node) {
  const Token& token = take();
  if (token.is_op(".")) {
    const Token& name = take();
    if (name.kind == TokenKind::name) {
      Expr* result = binary(ExprKind::attribute, node, nullptr, token.line);
      result->text = name.text;
      result->value = tree_.constants.string(name.text);
      return result;
    }
    if (name.kind != TokenKind::integer) fail("expected name or number", name.line);
    Expr* index = expr(ExprKind::constant, name.line);
    index->value = Value::integer(name.integer);
    return binary(ExprKind::item, node, index, token.line);
  }
  std::vector<Expr*> items;
  while (!current().is_op("]")) {
    if (!items.empty()) expect_op(",");
    items.push_back(parse_subscribed());
  }
  expect_op("]");
  if (items.size() == 1) return binary(ExprKind::item, node, items.front(), token.line);
  Expr* tuple = expr(ExprKind::tuple, token.line);
  for (const Expr* item : items) {
    if (item->kind == ExprKind::slice) fail("a slice cannot stand beside other subscripts", item->line);
  }
  tuple->items = std::move(items);
  return binary(ExprKind::item, node, tuple, token.line);
}

Expr* Parser::parse_subscribed() {
  const int line = current().line;
  Expr* first = nullptr;
  if (!current().is_op(":")) {
    first = parse_expression();
    if (!current().is_op(":")) return first;
  }
  take();
  Expr* node = binary(ExprKind::slice, first, nullptr, line);
  const auto at_end = [this] { return current().is_op("]") || current().is_op(","); };
  if (!current().is_op(":") && !at_end()) node->b = parse_expression();
  if (skip_op(":") && !at_end()) node->c = parse_expression();
  return node;
}

void Parser::parse_call_parts(CallParts& parts) {
  const int line = expect_op("(").line;
  const auto ensure = [&](bool valid) {
    if (!valid) fail("invalid syntax for function call expression", line);
  };
  bool need_comma = false;
  while (!current().is_op(")")) {
    if (need_comma) {
      expect_op(",");
      if (current().is_op(")")) break;
    }
    if (current().is_op("*")) {
      ensure(!parts.more_positional && !parts.more_keywords);
      take();
      parts.more_positional = parse_expression();
    } else if (current().is_op("**")) {
      ensure(!parts.more_keywords);
      take();
      parts.more_keywords = parse_expression();
    } else if (current().kind == TokenKind::name && look().is_op("=")) {
      ensure(!parts.more_keywords);
      std::string name = take().text;
      take();
      for (const auto& keyword : parts.keywords) {
        if (keyword.first == name) fail("keyword argument repeated: " + name);
      }
      Expr* value = parse_expression();
      parts.keywords.emplace_back(std::move(name), value);
    } else {
      ensure(!parts.more_positional && !parts.more_keywords && parts.keywords.empty());
      Expr* value = parse_expression();
      parts.positional.push_back(value);
    }
    need_comma = true;
  }
  expect_op(")");
}

Expr* Parser::parse_call(Expr* node) {
  Expr* result = binary(ExprKind::call, node, nullptr, current().line);
  parse_call_parts(result->call);
  return result;
}

Expr* Parser::parse_filter(Expr* node, bool inline_start) {
  while (inline_start || current().is_op("|")) {
    if (!inline_start) take();
    const Token& token = expect_name();
    Expr* filter = binary(ExprKind::filter, node, nullptr, token.line);
    filter->text = token.text;
    while (skip_op(".")) filter->text += "." + expect_name().text;
    if (current().is_op("(")) parse_call_parts(filter->call);
    if (!find_filter(filter->text)) {
      unknown_.push_back({fmt::format("No filter named {}.", string_repr(filter->text)), filter->line});
    }
    node = filter;
    inline_start = false;
  }
  return node;
}

Expr* Parser::parse_test(Expr* node) {
  const int line = take().line;
  const bool negated = skip_name("not");
  Expr* test = binary(ExprKind::test, node, nullptr, line);
  test->text = expect_name().text;
  while (skip_op(".")) test->text += "." + expect_name().text;
  const Token& next = current();
  if (next.is_op("(")) {
    parse_call_parts(test->call);
  } else if ((next.kind == TokenKind::name || next.kind == TokenKind::string ||
              next.kind == TokenKind::integer || next.kind == TokenKind::real || next.is_op("[") ||
              next.is_op("{")) &&
             !next.is_name("else") && !next.is_name("or") && !next.is_name("and")) {
    if (next.is_name("is")) fail("You cannot chain multiple tests with is");
    Expr* argument = parse_primary();
    test->call.positional.push_back(parse_postfix(argument));
  }
  if (!find_test(test->text)) {
    unknown_.push_back({fmt::format("No test named {}.", string_repr(test->text)), line});
  }
  return negated ? binary(ExprKind::logical_not, test, nullptr, line) : test;
}

// ---- assignment targets

Expr* Parser::parse_target_name() {
  const Token& token = expect_name();
  Expr* node = expr(ExprKind::name, token.line);
  node->text = token.text;
  node->symbol = symbol(token.text);
  make_target(node);
  return node;
}

Expr* Parser::parse_target(bool with_namespace) {
  Expr* node = parse_tuple({.targets = true, .with_namespace = with_namespace});
  make_target(node);
  return node;
}

void Parser::make_target(Expr* node) {
  static constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False", "None"};
  switch (node->kind) {
    case ExprKind::member_target:
      return;
    case ExprKind::name:
      if (std::find(std::begin(kReserved), std::end(kReserved), node->text) != std::end(kReserved)) {
        fail("can't assign to 'name'", node->line);
      }
      if (node->text == "loop" && any_loops_ > 0) {
        fail("Can't assign to special loop variable in for-loop target", node->line);
      }
      return;
    case ExprKind::tuple:
      for (Expr* item : node->items) make_target(item);
      return;
    case ExprKind::constant:
      fail("can't assign to 'const'", node->line);
    case ExprKind::list:
      fail("can't assign to 'list'", node->line);
    case ExprKind::dict:
      fail("can't assign to 'dict'", node->line);
    default:
      fail("can't assign to this expression", node->line);
  }
}

}  // namespace moe::jinja
