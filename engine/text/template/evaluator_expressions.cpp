// Expressions: operators, look-ups, calls, filters and tests.
#include <fmt/format.h>

#include "engine/text/template/evaluator.h"
#include "engine/text/template/filters.h"
#include "engine/text/template/objects.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

class DepthCount {
 public:
  DepthCount(int& depth, int limit) : depth_(depth) {
    if (depth_ >= limit)
      throw Failure(ErrorKind::limit, fmt::format("recursion is deeper than {} levels", limit));
    ++depth_;
  }
  ~DepthCount() { --depth_; }
  DepthCount(const DepthCount&) = delete;
  DepthCount& operator=(const DepthCount&) = delete;

 private:
  int& depth_;
};

}  // namespace

Value Interpreter::eval(const Expr& node, Scope& scope) {
  if (node.kind == ExprKind::constant) return node.value;
  if (node.kind == ExprKind::name) return eval_name(node, scope);
  const DepthCount depth(depth_, limits_.depth);
  spend(1);
  line_ = node.line;
  switch (node.kind) {
    case ExprKind::tuple:
      return heap_.tuple(eval_all(node.items, scope));
    case ExprKind::list:
      return heap_.list(eval_all(node.items, scope));
    case ExprKind::dict:
      return eval_dict(node, scope);
    case ExprKind::conditional:
      if (truth(eval(*node.b, scope))) return eval(*node.a, scope);
      if (node.c) return eval(*node.c, scope);
      return heap_.undefined_hint(fmt::format(
          "the inline if-expression on line {} evaluated to false and no else section was defined.",
          node.line));
    case ExprKind::logical_or: {
      const Value left = eval(*node.a, scope);
      return truth(left) ? left : eval(*node.b, scope);
    }
    case ExprKind::logical_and: {
      const Value left = eval(*node.a, scope);
      return truth(left) ? eval(*node.b, scope) : left;
    }
    case ExprKind::logical_not:
      return Value::boolean(!truth(eval(*node.a, scope)));
    case ExprKind::compare:
      return eval_compare(node, scope);
    case ExprKind::add:
    case ExprKind::subtract:
    case ExprKind::multiply:
    case ExprKind::divide:
    case ExprKind::floor_divide:
    case ExprKind::modulo:
    case ExprKind::power: {
      const Value a = eval(*node.a, scope);
      const Value b = eval(*node.b, scope);
      line_ = node.line;
      return arithmetic(*this, node.kind, a, b);
    }
    case ExprKind::concat:
      return eval_concat(node, scope);
    case ExprKind::negate:
      return jinja::negate(eval(*node.a, scope));
    case ExprKind::plus:
      return unary_plus(eval(*node.a, scope));
    case ExprKind::attribute: {
      const Value object = eval(*node.a, scope);
      line_ = node.line;
      return attribute(object, node.text);
    }
    case ExprKind::item:
      return eval_item(node, scope);
    case ExprKind::call:
      return eval_call(node, scope);
    case ExprKind::filter:
      return eval_filter(node, scope);
    case ExprKind::test:
      return eval_test(node, scope);
    default:
      throw Failure("this expression cannot stand here");
  }
}

Value Interpreter::eval_name(const Expr& node, Scope& scope) {
  spend(1);
  for (const Scope* s = &scope; s; s = s->parent) {
    if (const Value* found = s->find(node.symbol)) return *found;
  }
  if (const Value* found = globals_[node.symbol]) return *found;
  return heap_.undefined_name(node.text);
}

std::vector<Value> Interpreter::eval_all(const std::vector<Expr*>& nodes, Scope& scope) {
  std::vector<Value> out;
  out.reserve(nodes.size());
  for (const Expr* node : nodes) out.push_back(eval(*node, scope));
  return out;
}

Value Interpreter::eval_dict(const Expr& node, Scope& scope) {
  Dict dict;
  for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const Value key = eval(*node.items[i], scope);
    dict.set(key, eval(*node.items[i + 1], scope));
  }
  return heap_.dict(std::move(dict));
}

Value Interpreter::eval_compare(const Expr& node, Scope& scope) {
  Value left = eval(*node.a, scope);
  for (const auto& [op, operand] : node.compares) {
    const Value right = eval(*operand, scope);
    if (!compare(*this, op, left, right)) return Value::boolean(false);
    left = right;
  }
  return Value::boolean(true);
}

Value Interpreter::eval_concat(const Expr& node, Scope& scope) {
  std::string out;
  for (const Value& part : eval_all(node.items, scope)) {
    append_str(out, part);
    heap_.check_string(out.size());
  }
  return heap_.string(std::move(out));
}

Value Interpreter::eval_item(const Expr& node, Scope& scope) {
  const Value object = eval(*node.a, scope);
  if (node.b->kind != ExprKind::slice) {
    const Value key = eval(*node.b, scope);
    line_ = node.line;
    return item(object, key);
  }
  const auto part = [&](const Expr* e) { return e ? eval(*e, scope) : Value(); };
  const Value start = part(node.b->a);
  const Value stop = part(node.b->b);
  const Value step = part(node.b->c);
  return slice(*this, object, start, stop, step);
}

void Interpreter::eval_arguments(const CallParts& parts, Scope& scope, Arguments& out) {
  for (const Expr* node : parts.positional) out.positional.push_back(eval(*node, scope));
  for (const auto& [name, node] : parts.keywords) out.keywords.emplace_back(name, eval(*node, scope));
  if (parts.more_positional) {
    const Value more = eval(*parts.more_positional, scope);
    if (!iterable(more))
      throw Failure(fmt::format("Value after * must be an iterable, not {}", type_name(more)));
    for (const Value& value : collect(more)) out.positional.push_back(value);
  }
  if (!parts.more_keywords) return;
  const Value more = eval(*parts.more_keywords, scope);
  if (!more.is_dict()) {
    if (more.is_undefined()) fail_undefined(more);
    throw Failure(fmt::format("argument after ** must be a mapping, not {}", type_name(more)));
  }
  for (const auto& [key, value] : more.as_dict().entries()) {
    if (!key.is_string()) throw Failure("keywords must be strings");
    spend(1);
    for (const auto& given : parts.keywords) {
      if (given.first == key.as_view()) {
        throw Failure(fmt::format("got multiple values for keyword argument {}", repr(key)));
      }
    }
    out.keywords.emplace_back(key.as_view(), value);
  }
}

Value Interpreter::eval_call(const Expr& node, Scope& scope, const Value* caller) {
  Arguments arguments;
  const auto evaluate_arguments = [&] {
    eval_arguments(node.call, scope, arguments);
    if (caller) arguments.keywords.emplace_back("caller", *caller);
    line_ = node.line;
  };
  if (node.a->kind == ExprKind::attribute) {
    const Value object = eval(*node.a->a, scope);
    line_ = node.a->line;
    if (const NativeFunction method = find_method(object, node.a->text)) {
      evaluate_arguments();
      spend_on(object);
      return method(*this, object, arguments);
    }
    const Value callee = attribute(object, node.a->text);
    evaluate_arguments();
    return call(callee, arguments);
  }
  const Value callee = eval(*node.a, scope);
  evaluate_arguments();
  return call(callee, arguments);
}

Value Interpreter::call(const Value& callee, Arguments& arguments) {
  if (callee.is_undefined()) fail_undefined(callee);
  if (!callee.is(Kind::object)) throw Failure(fmt::format("'{}' object is not callable", type_name(callee)));
  const DepthCount depth(depth_, limits_.depth);
  return callee.as_object().call(*this, arguments);
}

Value Interpreter::eval_filter(const Expr& node, Scope& scope, const Value* given) {
  const Value subject = node.a ? eval_filter_subject(node, scope, given) : *given;
  Arguments arguments;
  eval_arguments(node.call, scope, arguments);
  line_ = node.line;
  const FilterFunction filter = find_filter(node.text);
  if (!filter) throw Failure(fmt::format("No filter named {} found.", string_repr(node.text)));
  spend_on(subject);
  return filter(*this, subject, arguments);
}

// A chain of filters without a subject of its own stands on a filter or set block.
Value Interpreter::eval_filter_subject(const Expr& node, Scope& scope, const Value* given) {
  if (given && node.a->kind == ExprKind::filter) {
    const DepthCount depth(depth_, limits_.depth);
    return eval_filter(*node.a, scope, given);
  }
  return eval(*node.a, scope);
}

Value Interpreter::eval_test(const Expr& node, Scope& scope) {
  const Value subject = eval(*node.a, scope);
  Arguments arguments;
  eval_arguments(node.call, scope, arguments);
  line_ = node.line;
  const TestFunction test = find_test(node.text);
  if (!test) throw Failure(fmt::format("No test named {} found.", string_repr(node.text)));
  spend_on(subject);
  return Value::boolean(test(*this, subject, arguments));
}

namespace {

[[noreturn]] void no_such(std::string_view what, const Value& name) {
  if (name.is_undefined()) {
    throw Failure(fmt::format("No {} named Undefined. ({}; did you forget to quote the callable name?)", what,
                              name.as_undefined().message()));
  }
  throw Failure(fmt::format("No {} named {}.", what, repr(name)));
}

}  // namespace

Value Interpreter::apply_filter(const Value& name, const Value& subject, Arguments& arguments) {
  const FilterFunction filter = name.is_string() ? find_filter(name.as_view()) : nullptr;
  if (!filter) no_such("filter", name);
  const DepthCount depth(depth_, limits_.depth);
  spend(1);
  spend_on(subject);
  return filter(*this, subject, arguments);
}

bool Interpreter::apply_test(const Value& name, const Value& subject, Arguments& arguments) {
  const TestFunction test = name.is_string() ? find_test(name.as_view()) : nullptr;
  if (!test) no_such("test", name);
  spend(1);
  spend_on(subject);
  return test(*this, subject, arguments);
}

// ---- look-ups

Value Interpreter::attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) fail_undefined(object);
  if (const NativeFunction method = find_method(object, name)) {
    return heap_.object<FunctionObject>(std::string(name), method, object);
  }
  const bool dunder = name.size() > 4 && name.starts_with("__") && name.ends_with("__");
  if (dunder || is_mutating_method(object, name)) {
    return heap_.undefined_hint(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(object)));
  }
  Value out;
  if (object.is(Kind::object) && object.as_object().attribute(*this, name, out)) return out;
  if (object.is_dict()) {
    if (const Value* found = object.as_dict().find(name)) return *found;
  }
  return heap_.undefined_member(object, string(name));
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) fail_undefined(object);
  if (object.is_dict()) {
    const bool hashable = !key.is(Kind::list) && !key.is_dict();
    if (hashable) {
      if (const Value* found = object.as_dict().find(key)) return *found;
    }
  } else if (key.is_integral()) {
    const std::int64_t index = key.as_integer();
    const auto place = [index](std::size_t size) {
      const auto n = static_cast<std::int64_t>(size);
      return index < 0 ? index + n : index < n ? index : -1;
    };
    if (object.is_sequence()) {
      const std::int64_t i = place(object.items().size());
      if (i >= 0) return object.items()[static_cast<std::size_t>(i)];
    } else if (object.is_string()) {
      const std::int64_t i = place(object.as_text().length);
      if (i >= 0) return slice(*this, object, Value::integer(i), Value::integer(i + 1), Value());
    } else if (object.is(Kind::object) && object.as_object().indexable()) {
      const std::int64_t i = place(object.as_object().length());
      if (i >= 0) return object.as_object().at(heap_, i);
    }
  }
  // As jinja2 does: an attribute of that name, if there is no item.
  if (key.is_string()) {
    if (object.is_dict() || object.is(Kind::object) || find_method(object, key.as_view()) ||
        is_mutating_method(object, key.as_view())) {
      const std::string_view name = key.as_view();
      if (object.is_dict() && !find_method(object, name) && !is_mutating_method(object, name)) {
        return heap_.undefined_member(object, key);
      }
      return attribute(object, name);
    }
  }
  return heap_.undefined_member(object, key);
}

bool Cursor::next(Interpreter& in, Value& out) {
  switch (source.kind()) {
    case Kind::list:
    case Kind::tuple:
      if (position >= source.items().size()) return false;
      out = source.items()[position++];
      return true;
    case Kind::dict:
      if (position >= source.as_dict().size()) return false;
      out = source.as_dict().entries()[position++].first;
      return true;
    case Kind::string: {
      const std::string_view text = source.as_view();
      if (position >= text.size()) return false;
      const std::size_t start = position;
      utf8::next(text, position);
      out = in.heap().string(std::string(text.substr(start, position - start)), source.as_text().markup);
      return true;
    }
    case Kind::object:
      return source.as_object().next(in, position, out);
    default:
      return false;
  }
}

}  // namespace moe::jinja
