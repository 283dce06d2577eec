// Runs a parsed template. One Interpreter renders once.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/template/ast.h"
#include "engine/text/template/value.h"

namespace moe::jinja {

// What a rendering may use; beyond it, Failure of kind limit.
struct Limits {
  std::uint64_t work = 6'000'000;  // one unit: an expression node, or 16 bytes written
  int depth = 500;                 // nested statements, expressions and calls
  std::size_t output_bytes = std::size_t{64} << 20;
  std::size_t string_bytes = std::size_t{32} << 20;
  std::size_t list_items = std::size_t{1} << 20;
};

using Clock = std::function<std::tm()>;  // local time, for strftime_now

// Variables of one frame. Frames live as long as the rendering, since macros refer to them.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<Symbol, Value>> slots;
  const Value* find(Symbol symbol) const;
  void set(Symbol symbol, const Value& value);
};

// A position in something iterable.
struct Cursor {
  Value source;
  std::size_t position = 0;
  bool next(Interpreter& in, Value& out);
};

class LoopObject;

class Interpreter {
 public:
  Interpreter(const Tree& tree, const Dict& context, const Limits& limits, const Clock& clock);
  std::string render();

  Heap& heap() { return heap_; }
  void spend(std::uint64_t units) { budget_.spend(units); }
  // What a method, filter or test may scan.
  void spend_on(const Value& subject) {
    if (subject.is_string()) spend(subject.as_view().size() / 32);
  }
  int line() const { return line_; }
  std::tm now() const { return clock_(); }

  Value attribute(const Value& object, std::string_view name);  // object.name
  Value item(const Value& object, const Value& key);            // object[key]
  Value call(const Value& callee, Arguments& arguments);
  Value apply_filter(const Value& name, const Value& subject, Arguments& arguments);
  bool apply_test(const Value& name, const Value& subject, Arguments& arguments);
  Cursor iterate(const Value& iterable);  // throws unless iterable
  std::vector<Value> collect(const Value& iterable);
  Value string(std::string_view text) { return heap_.string(std::string(text)); }

  Value call_macro(const Macro& macro, Scope* scope, Arguments& arguments);
  Value run_recursive_loop(const Stmt& loop, Scope* scope, const Value& iterable, int depth);
  bool passes(const Stmt& loop, Scope* scope, const Value& item);  // the loop's `if`
  void assign(const Expr& target, const Value& value, Scope& scope);

 private:
  enum class Flow : std::uint8_t { next, break_, continue_ };
  class Depth;

  Flow run_body(const std::vector<Stmt*>& body, Scope& scope);
  Flow run(const Stmt& node, Scope& scope);
  Flow run_if(const Stmt& node, Scope& scope);
  Flow run_for(const Stmt& node, Scope& scope);
  Flow run_loop(const Stmt& node, Scope& scope, const Value& iterable, int depth);
  Flow run_set(const Stmt& node, Scope& scope);
  Flow run_set_block(const Stmt& node, Scope& scope);
  Flow run_call_block(const Stmt& node, Scope& scope);
  Flow run_filter_block(const Stmt& node, Scope& scope);
  Flow run_with(const Stmt& node, Scope& scope);
  void write(const Value& value);
  // Renders into a string of its own; false if the body left by break or continue.
  Flow capture(const std::vector<Stmt*>& body, Scope& scope, std::string& out);

  Value eval(const Expr& node, Scope& scope);
  Value eval_name(const Expr& node, Scope& scope);
  Value eval_compare(const Expr& node, Scope& scope);
  Value eval_concat(const Expr& node, Scope& scope);
  Value eval_dict(const Expr& node, Scope& scope);
  Value eval_item(const Expr& node, Scope& scope);
  Value eval_call(const Expr& node, Scope& scope, const Value* caller = nullptr);
  Value eval_filter(const Expr& node, Scope& scope, const Value* subject = nullptr);
  Value eval_filter_subject(const Expr& node, Scope& scope, const Value* given);
  Value eval_test(const Expr& node, Scope& scope);
  void eval_arguments(const CallParts& parts, Scope& scope, Arguments& out);
  std::vector<Value> eval_all(const std::vector<Expr*>& nodes, Scope& scope);
  Scope* new_scope(Scope* parent);

  const Tree& tree_;
  const Limits& limits_;
  const Clock& clock_;
  Budget budget_;
  Heap heap_;
  std::deque<Scope> scopes_;
  std::vector<const Value*> globals_;  // by symbol: the context, then the built-in names
  std::deque<Value> builtins_;
  Scope* root_ = nullptr;
  std::string* out_ = nullptr;
  std::size_t written_ = 0;
  int depth_ = 0;
  int line_ = 1;
  Symbol loop_symbol_, caller_symbol_, kwargs_symbol_, varargs_symbol_;
};

}  // namespace moe::jinja
