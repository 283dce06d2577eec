// Methods of dicts, lists, tuples and numbers that the sandbox allows.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/text/template/arguments.h"
#include "engine/text/template/objects.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"

namespace moe::jinja {
namespace {

Value view(Interpreter& in, const Value& self, Arguments& arguments, ViewKind kind) {
  const Bound args("view", arguments, {});
  return in.heap().object<ViewObject>(self, kind);
}
Value dict_keys(Interpreter& in, const Value& self, Arguments& a) {
  return view(in, self, a, ViewKind::keys);
}
Value dict_values(Interpreter& in, const Value& self, Arguments& a) {
  return view(in, self, a, ViewKind::values);
}
Value dict_items(Interpreter& in, const Value& self, Arguments& a) {
  return view(in, self, a, ViewKind::items);
}

Value dict_get(Interpreter&, const Value& self, Arguments& arguments) {
  if (!arguments.keywords.empty()) throw Failure("dict.get() takes no keyword arguments");
  const Bound args("get", arguments, {"key", "default"}, 1);
  const Value* found = self.as_dict().find(args.at(0));
  return found ? *found : args.get(1, Value());
}

Value dict_copy(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("copy", arguments, {});
  return in.heap().dict(self.as_dict());
}

Value dict_fromkeys(Interpreter& in, const Value&, Arguments& arguments) {
  const Bound args("fromkeys", arguments, {"iterable", "value"}, 1);
  Dict dict;
  for (const Value& key : in.collect(args.at(0))) dict.set(key, args.get(1, Value()));
  return in.heap().dict(std::move(dict));
}

Value list_copy(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("copy", arguments, {});
  return in.heap().list(self.items());
}

Value sequence_count(Interpreter&, const Value& self, Arguments& arguments) {
  const Bound args("count", arguments, {"value"}, 1);
  const auto& items = self.items();
  return Value::integer(
      std::count_if(items.begin(), items.end(), [&](const Value& item) { return equal(item, args.at(0)); }));
}

Value sequence_index(Interpreter&, const Value& self, Arguments& arguments) {
  const Bound args("index", arguments, {"value", "start", "stop"}, 1);
  const auto& items = self.items();
  std::int64_t first = 0;
  std::int64_t stride = 1;
  const std::size_t count =
      slice_indices(items.size(), args.get(1, Value()), args.get(2, Value()), Value(), first, stride);
  for (std::size_t i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first) + count; ++i) {
    if (equal(items[i], args.at(0))) return Value::integer(static_cast<std::int64_t>(i));
  }
  throw Failure(self.is(Kind::list) ? repr(args.at(0)) + " is not in list"
                                    : "tuple.index(x): x not in tuple");
}

Value is_integer(Interpreter&, const Value& self, Arguments& arguments) {
  const Bound args("is_integer", arguments, {});
  return Value::boolean(std::isfinite(self.as_real()) && std::floor(self.as_real()) == self.as_real());
}

Value bit_length(Interpreter&, const Value& self, Arguments& arguments) {
  const Bound args("bit_length", arguments, {});
  auto magnitude = static_cast<std::uint64_t>(self.as_integer());
  if (self.as_integer() < 0) magnitude = ~magnitude + 1;
  std::int64_t bits = 0;
  for (; magnitude; magnitude >>= 1) ++bits;
  return Value::integer(bits);
}

using Table = std::unordered_map<std::string_view, NativeFunction>;

const Table& table_of(Kind kind) {
  static const Table dicts = {{"keys", dict_keys}, {"values", dict_values}, {"items", dict_items},
                              {"get", dict_get},   {"copy", dict_copy},     {"fromkeys", dict_fromkeys}};
  static const Table lists = {{"copy", list_copy}, {"count", sequence_count}, {"index", sequence_index}};
  static const Table tuples = {{"count", sequence_count}, {"index", sequence_index}};
  static const Table reals = {{"is_integer", is_integer}};
  static const Table integers = {{"bit_length", bit_length}};
  static const Table none;
  switch (kind) {
    case Kind::dict:
      return dicts;
    case Kind::list:
      return lists;
    case Kind::tuple:
      return tuples;
    case Kind::real:
      return reals;
    case Kind::boolean:
    case Kind::integer:
      return integers;
    default:
      return none;
  }
}

}  // namespace

NativeFunction find_container_method(Kind kind, std::string_view name) {
  const Table& table = table_of(kind);
  const auto it = table.find(name);
  return it == table.end() ? nullptr : it->second;
}

NativeFunction find_method(const Value& object, std::string_view name) {
  return object.is_string() ? find_string_method(name) : find_container_method(object.kind(), name);
}

bool is_mutating_method(const Value& object, std::string_view name) {
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  static constexpr std::string_view kList[] = {"append", "clear", "pop",    "reverse",
                                               "insert", "sort",  "extend", "remove"};
  const auto in = [name](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  if (object.is_dict()) return in(kDict);
  return object.is(Kind::list) && in(kList);
}

}  // namespace moe::jinja
