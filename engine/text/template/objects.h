// The language's objects beyond plain data: ranges, views, iterators, namespaces, loops and callables.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/template/ast.h"
#include "engine/text/template/evaluator.h"
#include "engine/text/template/value.h"

namespace moe::jinja {

class RangeObject : public Object {
 public:
  RangeObject(std::int64_t start, std::int64_t stop, std::int64_t step, std::size_t size)
      : start_(start), stop_(stop), step_(step), size_(size) {}
  std::string type_name() const override { return "range"; }
  std::string repr(int) const override;
  bool truth() const override { return size_ != 0; }
  bool has_length() const override { return true; }
  std::size_t length() override { return size_; }
  bool iterable() const override { return true; }
  bool next(Interpreter&, std::size_t& position, Value& out) override;
  bool indexable() const override { return true; }
  Value at(Heap&, std::int64_t index) override { return Value::integer(start_ + index * step_); }
  std::size_t size() const { return size_; }
  Value slice(Heap& heap, std::int64_t first, std::int64_t stride, std::size_t count) const;

 private:
  std::int64_t start_, stop_, step_;
  std::size_t size_;
};

enum class ViewKind { keys, values, items };

class ViewObject : public Object {
 public:
  ViewObject(const Value& dict, ViewKind kind) : dict_(dict), kind_(kind) {}
  std::string type_name() const override;
  std::string repr(int depth) const override;
  bool truth() const override { return dict_.as_dict().size() != 0; }
  bool has_length() const override { return true; }
  std::size_t length() override { return dict_.as_dict().size(); }
  bool iterable() const override { return true; }
  bool next(Interpreter& in, std::size_t& position, Value& out) override;
  const Value& dict() const { return dict_; }
  ViewKind kind() const { return kind_; }

 private:
  Value dict_;
  ViewKind kind_;
};

// What can be walked once: the results of map, select, batch and their like.
class IteratorObject : public Object {
 public:
  IteratorObject(std::string name, std::vector<Value> items)
      : name_(std::move(name)), items_(std::move(items)) {}
  std::string type_name() const override { return name_; }
  bool iterable() const override { return true; }
  bool next(Interpreter&, std::size_t&, Value& out) override {
    if (position_ >= items_.size()) return false;
    out = items_[position_++];
    return true;
  }

 private:
  std::string name_;
  std::vector<Value> items_;
  std::size_t position_ = 0;
};

class NamespaceObject : public Object {
 public:
  Dict attributes;
  std::string type_name() const override { return "TemplateNamespace"; }
  std::string repr(int depth) const override;
  bool attribute(Interpreter&, std::string_view name, Value& out) override;
};

// Throws for names that a namespace must not hold.
void check_namespace_name(const Value& name);

class MacroObject : public Object {
 public:
  MacroObject(const Macro& macro, Scope* scope) : macro_(macro), scope_(scope) {}
  std::string type_name() const override { return "Macro"; }
  std::string repr(int) const override;
  bool callable() const override { return true; }
  Value call(Interpreter& in, Arguments& arguments) override {
    return in.call_macro(macro_, scope_, arguments);
  }
  bool attribute(Interpreter& in, std::string_view name, Value& out) override;

 private:
  const Macro& macro_;
  Scope* scope_;
};

using NativeFunction = Value (*)(Interpreter&, const Value& subject, Arguments&);

// A built-in function, or a method with the value it was taken from.
class FunctionObject : public Object {
 public:
  FunctionObject(std::string name, NativeFunction function, const Value& subject = {})
      : name_(std::move(name)), function_(function), subject_(subject) {}
  std::string type_name() const override {
    return subject_.is_none() ? "function" : "builtin_function_or_method";
  }
  std::string repr(int) const override { return "<function " + name_ + ">"; }
  bool callable() const override { return true; }
  Value call(Interpreter& in, Arguments& arguments) override {
    in.spend_on(subject_);
    return function_(in, subject_, arguments);
  }

 private:
  std::string name_;
  NativeFunction function_;
  Value subject_;
};

class CyclerObject : public Object {
 public:
  std::vector<Value> items;
  std::size_t position = 0;
  std::string type_name() const override { return "Cycler"; }
  bool attribute(Interpreter& in, std::string_view name, Value& out) override;
};

class JoinerObject : public Object {
 public:
  Value separator;
  bool used = false;
  std::string type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(Interpreter& in, Arguments& arguments) override;
};

// The `loop` of a for statement, and the iteration itself: items are drawn one at a time, since a loop's
// condition may depend on what earlier rounds did.
class LoopObject : public Object {
 public:
  LoopObject(Interpreter& in, const Stmt& node, Scope* scope, const Value& iterable, int depth0);
  bool advance(Value& out);  // to the next round
  Interpreter& interpreter() { return in_; }
  std::int64_t index0() const { return index0_; }
  Value cycle(Arguments& arguments);
  Value changed(Arguments& arguments);

  std::string type_name() const override { return "LoopContext"; }
  std::string repr(int) const override;
  bool has_length() const override { return true; }
  std::size_t length() override;
  bool truth() const override { return const_cast<LoopObject*>(this)->length() != 0; }
  bool iterable() const override { return false; }
  bool attribute(Interpreter& in, std::string_view name, Value& out) override;
  bool callable() const override { return true; }
  Value call(Interpreter& in, Arguments& arguments) override;

 private:
  bool draw(Value& out);
  bool peek();

  Interpreter& in_;
  const Stmt& node_;
  Scope* scope_;
  Value iterable_;
  Cursor cursor_;
  std::deque<Value> ahead_;  // drawn for `last`, `nextitem` or `length`
  std::optional<std::size_t> length_;
  Value current_, before_;
  std::optional<std::vector<Value>> last_changed_;
  std::int64_t index0_ = -1;
  int depth0_;
};

// Methods of strings, lists, tuples, dicts and numbers; null if the type has none of this name.
NativeFunction find_method(const Value& object, std::string_view name);
NativeFunction find_string_method(std::string_view name);
NativeFunction find_container_method(Kind kind, std::string_view name);
// Methods that exist but would change the value: the sandbox refuses them.
bool is_mutating_method(const Value& object, std::string_view name);

// The global functions: range, dict, namespace, raise_exception ...; null if there is none of this name.
NativeFunction find_global(std::string_view name);

}  // namespace moe::jinja
