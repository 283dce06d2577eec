// Ranges, views, namespaces, loops and the small helper objects.
#include "engine/text/template/objects.h"

#include <fmt/format.h>

#include "engine/text/template/arguments.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"

namespace moe::jinja {

// ---- range

std::string RangeObject::repr(int) const {
  return step_ == 1 ? fmt::format("range({}, {})", start_, stop_)
                    : fmt::format("range({}, {}, {})", start_, stop_, step_);
}

bool RangeObject::next(Interpreter&, std::size_t& position, Value& out) {
  if (position >= size_) return false;
  out = Value::integer(start_ + static_cast<std::int64_t>(position++) * step_);
  return true;
}

Value RangeObject::slice(Heap& heap, std::int64_t first, std::int64_t stride, std::size_t count) const {
  const std::int64_t start = start_ + first * step_;
  const std::int64_t step = step_ * stride;
  return heap.object<RangeObject>(start, start + static_cast<std::int64_t>(count) * step, step, count);
}

// ---- views of a dict

std::string ViewObject::type_name() const {
  return kind_ == ViewKind::keys ? "dict_keys" : kind_ == ViewKind::values ? "dict_values" : "dict_items";
}

std::string ViewObject::repr(int depth) const {
  std::string out = type_name() + "([";
  bool first = true;
  for (const auto& [key, value] : dict_.as_dict().entries()) {
    if (!first) out += ", ";
    first = false;
    if (kind_ == ViewKind::items) out += '(';
    if (kind_ != ViewKind::values) out += jinja::repr(key, depth + 1);
    if (kind_ == ViewKind::items) out += ", ";
    if (kind_ != ViewKind::keys) out += jinja::repr(value, depth + 1);
    if (kind_ == ViewKind::items) out += ')';
  }
  return out + "])";
}

bool ViewObject::next(Interpreter& in, std::size_t& position, Value& out) {
  const auto& entries = dict_.as_dict().entries();
  if (position >= entries.size()) return false;
  const auto& [key, value] = entries[position++];
  out = kind_ == ViewKind::keys ? key : kind_ == ViewKind::values ? value : in.heap().tuple({key, value});
  return true;
}

// ---- namespace

std::string NamespaceObject::repr(int depth) const {
  check_depth(depth);  // a namespace may hold itself
  std::string out = "<Namespace {";
  bool first = true;
  for (const auto& [key, value] : attributes.entries()) {
    if (!first) out += ", ";
    first = false;
    out += jinja::repr(key, depth + 1) + ": " + jinja::repr(value, depth + 1);
  }
  return out + "}>";
}

bool NamespaceObject::attribute(Interpreter&, std::string_view name, Value& out) {
  const Value* found = attributes.find(name);
  if (found) out = *found;
  return found != nullptr;
}

void check_namespace_name(const Value& name) {
  if (name.is_string() && name.as_view().starts_with('_')) {
    throw Failure(
        fmt::format("Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. "
                    "Please rename the attribute.",
                    repr(name)));
  }
}

// ---- callables

std::string MacroObject::repr(int) const {
  return macro_.anonymous ? "<Macro anonymous>" : "<Macro " + string_repr(macro_.name) + ">";
}

bool MacroObject::attribute(Interpreter& in, std::string_view name, Value& out) {
  if (name == "name") {
    out = macro_.anonymous ? Value() : in.string(macro_.name);
  } else if (name == "arguments") {
    std::vector<Value> names;
    for (const std::string& parameter : macro_.parameter_names) names.push_back(in.string(parameter));
    out = in.heap().tuple(std::move(names));
  } else if (name == "catch_kwargs") {
    out = Value::boolean(macro_.uses_kwargs);
  } else if (name == "catch_varargs") {
    out = Value::boolean(macro_.uses_varargs);
  } else if (name == "caller") {
    out = Value::boolean(macro_.uses_caller);
  } else {
    return false;
  }
  return true;
}

bool CyclerObject::attribute(Interpreter& in, std::string_view name, Value& out) {
  const auto method = [&](NativeFunction function) {
    out = in.heap().object<FunctionObject>(std::string(name), function, Value::object(this));
    return true;
  };
  if (name == "current") {
    out = items[position];
    return true;
  }
  if (name == "next") {
    return method([](Interpreter&, const Value& self, Arguments&) {
      auto& cycler = *self.as<CyclerObject>();
      const Value now = cycler.items[cycler.position];
      cycler.position = (cycler.position + 1) % cycler.items.size();
      return now;
    });
  }
  if (name == "reset") {
    return method([](Interpreter&, const Value& self, Arguments&) {
      self.as<CyclerObject>()->position = 0;
      return Value();
    });
  }
  return false;
}

Value JoinerObject::call(Interpreter& in, Arguments&) {
  if (used) return separator;
  used = true;
  return in.string("");
}

// ---- loop

LoopObject::LoopObject(Interpreter& in, const Stmt& node, Scope* scope, const Value& iterable, int depth0)
    : in_(in),
      node_(node),
      scope_(scope),
      iterable_(iterable),
      cursor_(in.iterate(iterable)),
      depth0_(depth0) {}

bool LoopObject::draw(Value& out) {
  while (cursor_.next(in_, out)) {
    in_.spend(1);
    if (!node_.condition || in_.passes(node_, scope_, out)) return true;
  }
  return false;
}

bool LoopObject::peek() {
  if (!ahead_.empty()) return true;
  Value item;
  if (!draw(item)) return false;
  ahead_.push_back(item);
  return true;
}

bool LoopObject::advance(Value& out) {
  if (!ahead_.empty()) {
    out = ahead_.front();
    ahead_.pop_front();
  } else if (!draw(out)) {
    return false;
  }
  ++index0_;
  before_ = current_;
  current_ = out;
  return true;
}

std::size_t LoopObject::length() {
  if (length_) return *length_;
  if (!node_.condition) length_ = try_length(iterable_);
  if (!length_) {
    Value item;
    while (draw(item)) ahead_.push_back(item);
    length_ = ahead_.size() + static_cast<std::size_t>(index0_ + 1);
  }
  return *length_;
}

std::string LoopObject::repr(int) const {
  return fmt::format("<LoopContext {}/{}>", index0_ + 1, const_cast<LoopObject*>(this)->length());
}

bool LoopObject::attribute(Interpreter& in, std::string_view name, Value& out) {
  const auto integer = [&out](std::int64_t i) {
    out = Value::integer(i);
    return true;
  };
  const auto all = [this] { return static_cast<std::int64_t>(length()); };
  if (name == "index") return integer(index0_ + 1);
  if (name == "index0") return integer(index0_);
  if (name == "length") return integer(all());
  if (name == "revindex") return integer(all() - index0_);
  if (name == "revindex0") return integer(all() - index0_ - 1);
  if (name == "depth") return integer(depth0_ + 1);
  if (name == "depth0") return integer(depth0_);
  if (name == "first") {
    out = Value::boolean(index0_ == 0);
  } else if (name == "last") {
    out = Value::boolean(!peek());
  } else if (name == "previtem") {
    out = index0_ == 0 ? in.heap().undefined_hint("there is no previous item") : before_;
  } else if (name == "nextitem") {
    out = peek() ? ahead_.front() : in.heap().undefined_hint("there is no next item");
  } else if (name == "cycle") {
    out = in.heap().object<FunctionObject>(
        "cycle",
        [](Interpreter&, const Value& self, Arguments& a) { return self.as<LoopObject>()->cycle(a); },
        Value::object(this));
  } else if (name == "changed") {
    out = in.heap().object<FunctionObject>(
        "changed",
        [](Interpreter&, const Value& self, Arguments& a) { return self.as<LoopObject>()->changed(a); },
        Value::object(this));
  } else {
    return false;
  }
  return true;
}

Value LoopObject::cycle(Arguments& arguments) {
  if (arguments.positional.empty()) throw Failure("no items for cycling given");
  return arguments.positional[static_cast<std::size_t>(index0_) % arguments.positional.size()];
}

Value LoopObject::changed(Arguments& arguments) {
  const auto& now = arguments.positional;
  bool same = last_changed_ && last_changed_->size() == now.size();
  for (std::size_t i = 0; same && i < now.size(); ++i) same = equal((*last_changed_)[i], now[i]);
  if (!same) last_changed_ = now;
  return Value::boolean(!same);
}

Value LoopObject::call(Interpreter& in, Arguments& arguments) {
  const Bound args("loop", arguments, {"iterable"}, 1);
  if (!node_.recursive) {
    throw Failure("The loop must have the 'recursive' marker to be called recursively.");
  }
  return in.run_recursive_loop(node_, scope_, args.at(0), depth0_ + 1);
}

}  // namespace moe::jinja
