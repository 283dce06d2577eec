// Statements: bodies, branches, loops, assignments, macros.
#include "engine/text/template/evaluator.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/text/template/filters.h"
#include "engine/text/template/lexer.h"
#include "engine/text/template/objects.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"

namespace moe::jinja {

// Bounds recursion through statements, expressions and calls.
class Interpreter::Depth {
 public:
  explicit Depth(Interpreter& in) : in_(in) {
    if (++in_.depth_ > in_.limits_.depth) {
      --in_.depth_;
      throw Failure(ErrorKind::limit, fmt::format("recursion is deeper than {} levels", in_.limits_.depth));
    }
  }
  ~Depth() { --in_.depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  Interpreter& in_;
};

const Value* Scope::find(Symbol symbol) const {
  for (const auto& [name, value] : slots) {
    if (name == symbol) return &value;
  }
  return nullptr;
}

void Scope::set(Symbol symbol, const Value& value) {
  for (auto& [name, old] : slots) {
    if (name == symbol) {
      old = value;
      return;
    }
  }
  slots.emplace_back(symbol, value);
}

Interpreter::Interpreter(const Tree& tree, const Dict& context, const Limits& limits, const Clock& clock)
    : tree_(tree),
      limits_(limits),
      clock_(clock),
      budget_(limits.work),
      heap_(&budget_, limits.string_bytes, limits.list_items) {
  constexpr Symbol kNone = ~Symbol{0};
  loop_symbol_ = caller_symbol_ = kwargs_symbol_ = varargs_symbol_ = kNone;
  globals_.resize(tree.symbols.size());
  for (std::size_t i = 0; i < tree.symbols.size(); ++i) {
    const std::string& name = tree.symbols[i];
    const auto id = static_cast<Symbol>(i);
    if (name == "loop") loop_symbol_ = id;
    if (name == "caller") caller_symbol_ = id;
    if (name == "kwargs") kwargs_symbol_ = id;
    if (name == "varargs") varargs_symbol_ = id;
    if (const Value* given = context.find(name)) {
      globals_[i] = given;
    } else if (const NativeFunction function = find_global(name)) {
      builtins_.push_back(heap_.object<FunctionObject>(name, function));
      globals_[i] = &builtins_.back();
    }
  }
  root_ = new_scope(nullptr);
}

std::string Interpreter::render() {
  const ChargeTo charge_here(&budget_);
  std::string out;
  out_ = &out;
  try {
    run_body(tree_.body, *root_);
  } catch (const SyntaxFailure&) {
    throw;
  } catch (const Failure& failure) {
    throw SyntaxFailure(failure.what(), line_, failure.kind());
  }
  return out;
}

Scope* Interpreter::new_scope(Scope* parent) {
  spend(6);
  scopes_.emplace_back();
  scopes_.back().parent = parent;
  return &scopes_.back();
}

void Interpreter::write(const Value& value) {
  const std::size_t before = out_->size();
  append_str(*out_, value);
  const std::size_t grown = out_->size() - before;
  spend(1 + grown / 16);
  written_ += grown;
  if (written_ > limits_.output_bytes) {
    throw Failure(ErrorKind::limit,
                  fmt::format("the template writes more than {} bytes", limits_.output_bytes));
  }
}

Interpreter::Flow Interpreter::capture(const std::vector<Stmt*>& body, Scope& scope, std::string& out) {
  struct Restore {
    Interpreter& in;
    std::string* before;
    ~Restore() { in.out_ = before; }
  } restore{*this, out_};
  out_ = &out;
  return run_body(body, scope);
}

Interpreter::Flow Interpreter::run_body(const std::vector<Stmt*>& body, Scope& scope) {
  const Depth depth(*this);
  for (const Stmt* node : body) {
    const Flow flow = run(*node, scope);
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::run(const Stmt& node, Scope& scope) {
  spend(1);
  line_ = node.line;
  switch (node.kind) {
    case StmtKind::output:
      for (const Expr* item : node.exprs) write(eval(*item, scope));
      return Flow::next;
    case StmtKind::if_:
      return run_if(node, scope);
    case StmtKind::for_:
      return run_for(node, scope);
    case StmtKind::set:
      return run_set(node, scope);
    case StmtKind::set_block:
      return run_set_block(node, scope);
    case StmtKind::macro:
      scope.set(node.symbol, heap_.object<MacroObject>(node.macro, &scope));
      return Flow::next;
    case StmtKind::call_block:
      return run_call_block(node, scope);
    case StmtKind::filter_block:
      return run_filter_block(node, scope);
    case StmtKind::with:
      return run_with(node, scope);
    case StmtKind::generation: {
      Arguments none;
      write(call_macro(node.macro, &scope, none));
      return Flow::next;
    }
    case StmtKind::break_:
      return Flow::break_;
    case StmtKind::continue_:
      return Flow::continue_;
    case StmtKind::block:
      // Sees what the template's top level has set, unless it is scoped.
      return run_body(node.body, *new_scope(node.recursive ? &scope : root_));
    case StmtKind::scope:
      return run_body(node.body, *new_scope(&scope));
    case StmtKind::needs_loader:
      throw Failure("no loader for this environment specified");
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::run_if(const Stmt& node, Scope& scope) {
  for (const Branch& branch : node.branches) {
    if (truth(eval(*branch.condition, scope))) return run_body(branch.body, scope);
  }
  return run_body(node.otherwise, scope);
}

// ---- loops

Interpreter::Flow Interpreter::run_for(const Stmt& node, Scope& scope) {
  const Value iterable = eval(*node.value, scope);
  if (!node.recursive) return run_loop(node, scope, iterable, 0);
  write(run_recursive_loop(node, &scope, iterable, 0));
  return Flow::next;
}

Value Interpreter::run_recursive_loop(const Stmt& loop, Scope* scope, const Value& iterable, int depth) {
  const Depth guard(*this);
  std::string out;
  struct Restore {
    Interpreter& in;
    std::string* before;
    ~Restore() { in.out_ = before; }
  } restore{*this, out_};
  out_ = &out;
  run_loop(loop, *scope, iterable, depth);
  return heap_.string(std::move(out));
}

Interpreter::Flow Interpreter::run_loop(const Stmt& node, Scope& scope, const Value& iterable, int depth) {
  const Value loop = heap_.object<LoopObject>(*this, node, &scope, iterable, depth);
  auto& state = static_cast<LoopObject&>(loop.as_object());
  Scope& inner = *new_scope(&scope);
  bool finished = false;
  Value item;
  while (state.advance(item)) {
    spend(2);
    inner.slots.clear();
    inner.set(loop_symbol_, loop);
    assign(*node.target, item, inner);
    const Flow flow = run_body(node.body, inner);
    if (flow == Flow::break_) break;
    finished = finished || flow == Flow::next;
  }
  // As jinja2 has it, a loop counts as empty if every round left by break or continue.
  if (finished || node.otherwise.empty()) return Flow::next;
  return run_body(node.otherwise, *new_scope(&scope));
}

bool Interpreter::passes(const Stmt& loop, Scope* scope, const Value& item) {
  Scope inner;  // nothing in an expression can hold on to it
  inner.parent = scope;
  assign(*loop.target, item, inner);
  return truth(eval(*loop.condition, inner));
}

// ---- assignments

void Interpreter::assign(const Expr& target, const Value& value, Scope& scope) {
  switch (target.kind) {
    case ExprKind::name:
      scope.set(target.symbol, value);
      return;
    case ExprKind::member_target: {
      const Value holder = eval_name(target, scope);
      auto* object = holder.as<NamespaceObject>();
      if (!object) throw Failure("cannot assign attribute on non-namespace object");
      check_namespace_name(target.value);
      spend(4);
      object->attributes.set(target.value, value);
      return;
    }
    default:
      break;
  }
  // A tuple of targets.
  const std::size_t wanted = target.items.size();
  if (!iterable(value)) {
    throw Failure(fmt::format("cannot unpack non-iterable {} object", type_name(value)));
  }
  std::vector<Value> parts;
  Cursor cursor = iterate(value);
  Value part;
  while (parts.size() <= wanted && cursor.next(*this, part)) parts.push_back(part);
  if (parts.size() < wanted) {
    throw Failure(fmt::format("not enough values to unpack (expected {}, got {})", wanted, parts.size()));
  }
  if (parts.size() > wanted) throw Failure(fmt::format("too many values to unpack (expected {})", wanted));
  for (std::size_t i = 0; i < wanted; ++i) assign(*target.items[i], parts[i], scope);
}

Interpreter::Flow Interpreter::run_set(const Stmt& node, Scope& scope) {
  if (node.target->kind == ExprKind::member_target && !eval_name(*node.target, scope).as<NamespaceObject>()) {
    throw Failure("cannot assign attribute on non-namespace object");  // before the value is computed
  }
  assign(*node.target, eval(*node.value, scope), scope);
  return Flow::next;
}

Interpreter::Flow Interpreter::run_set_block(const Stmt& node, Scope& scope) {
  Scope& inner = *new_scope(&scope);
  std::string out;
  const Flow flow = capture(node.body, inner, out);
  if (flow != Flow::next) return flow;
  Value value = heap_.string(std::move(out));
  if (node.value) value = eval_filter(*node.value, inner, &value);
  assign(*node.target, value, scope);
  return Flow::next;
}

Interpreter::Flow Interpreter::run_filter_block(const Stmt& node, Scope& scope) {
  Scope& inner = *new_scope(&scope);
  std::string out;
  const Flow flow = capture(node.body, inner, out);
  if (flow != Flow::next) return flow;
  const Value value = heap_.string(std::move(out));
  write(eval_filter(*node.value, inner, &value));
  return Flow::next;
}

Interpreter::Flow Interpreter::run_with(const Stmt& node, Scope& scope) {
  Scope& inner = *new_scope(&scope);
  for (std::size_t i = 0; i < node.targets.size(); ++i) {
    assign(*node.targets[i], eval(*node.exprs[i], scope), inner);
  }
  return run_body(node.body, inner);
}

// ---- macros

Interpreter::Flow Interpreter::run_call_block(const Stmt& node, Scope& scope) {
  const Value caller = heap_.object<MacroObject>(node.macro, &scope);
  write(eval_call(*node.value, scope, &caller));
  return Flow::next;
}

Value Interpreter::call_macro(const Macro& macro, Scope* scope, Arguments& arguments) {
  const Depth guard(*this);
  spend(12);  // arguments, a frame and a text of its own
  Scope& inner = *new_scope(scope);
  const std::size_t count = macro.parameters.size();
  auto& positional = arguments.positional;
  auto& keywords = arguments.keywords;
  const auto take_keyword = [&keywords](std::string_view name, Value& out) {
    const auto it =
        std::find_if(keywords.begin(), keywords.end(), [name](const auto& k) { return k.first == name; });
    if (it == keywords.end()) return false;
    out = it->second;
    keywords.erase(it);
    return true;
  };
  std::vector<Value> values(count);
  std::vector<bool> given(count, false);
  for (std::size_t i = 0; i < count; ++i) {
    if (i < positional.size()) {
      values[i] = positional[i];
      given[i] = true;
    } else {
      given[i] = take_keyword(macro.parameter_names[i], values[i]);
    }
  }
  Value caller;
  const bool has_caller = macro.uses_caller && take_keyword("caller", caller) && !caller.is_none();
  const auto shown = [&macro] { return macro.anonymous ? "None" : string_repr(macro.name); };
  if (!macro.uses_kwargs && !keywords.empty()) {
    if (keywords.front().first == "caller") {
      throw Failure(
          fmt::format("macro {} was invoked with two values for the special caller argument. "
                      "This is most likely a bug.",
                      shown()));
    }
    throw Failure(
        fmt::format("macro {} takes no keyword argument {}", shown(), string_repr(keywords.front().first)));
  }
  if (!macro.uses_varargs && positional.size() > count) {
    throw Failure(fmt::format("macro {} takes not more than {} argument(s)", shown(), count));
  }
  if (macro.uses_caller) {
    inner.set(caller_symbol_, has_caller ? caller : heap_.undefined_hint("No caller defined"));
  }
  if (macro.uses_kwargs) {
    Dict rest;
    for (const auto& [name, value] : keywords) rest.set(string(name), value);
    inner.set(kwargs_symbol_, heap_.dict(std::move(rest)));
  }
  if (macro.uses_varargs) {
    const auto first = positional.begin() + static_cast<std::ptrdiff_t>(std::min(count, positional.size()));
    inner.set(varargs_symbol_, heap_.tuple({first, positional.end()}));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (given[i]) inner.set(macro.parameters[i], values[i]);
  }
  const std::size_t first_default = count - macro.defaults.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (given[i]) continue;
    inner.set(macro.parameters[i],
              i >= first_default ? eval(*macro.defaults[i - first_default], inner)
                                 : heap_.undefined_hint(fmt::format("parameter {} was not provided",
                                                                    string_repr(macro.parameter_names[i]))));
  }
  std::string out;
  capture(macro.body, inner, out);
  return heap_.string(std::move(out));
}

// ---- iteration

Cursor Interpreter::iterate(const Value& value) {
  if (!iterable(value)) throw Failure(fmt::format("'{}' object is not iterable", type_name(value)));
  return Cursor{value, 0};
}

std::vector<Value> Interpreter::collect(const Value& value) {
  Cursor cursor = iterate(value);
  std::vector<Value> items;
  Value item;
  while (cursor.next(*this, item)) {
    spend(1);
    heap_.check_list(items.size() + 1);
    items.push_back(item);
  }
  return items;
}

}  // namespace moe::jinja
