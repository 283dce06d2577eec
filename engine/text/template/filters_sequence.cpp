// Filters on lists, dicts and other iterables.
#include <algorithm>

#include <fmt/format.h>

#include "engine/text/template/arguments.h"
#include "engine/text/template/attribute_path.h"
#include "engine/text/template/evaluator.h"
#include "engine/text/template/filters.h"
#include "engine/text/template/objects.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

Value generator(Interpreter& in, std::vector<Value> items) {
  in.spend(items.size());
  return in.heap().object<IteratorObject>("generator", std::move(items));
}

Value folded(Interpreter& in, const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.is_string()) return value;
  return in.heap().string(to_lower(value.as_view()));
}

// ---- simple access

Value length_filter(Interpreter&, const Value& subject, Arguments& arguments) {
  const Bound args("length", arguments, {});
  return Value::integer(static_cast<std::int64_t>(length(subject)));
}

Value default_filter(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("default", arguments, {"default_value", "boolean"});
  if (subject.is_undefined() || (args.flag(1, false) && !truth(subject))) {
    return args.has(0) ? args.at(0) : in.string("");
  }
  return subject;
}

Value first(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("first", arguments, {});
  Cursor cursor = in.iterate(subject);
  Value out;
  if (cursor.next(in, out)) return out;
  return in.heap().undefined_hint("No first item, sequence was empty.");
}

// Throws unless Python's reversed() takes it.
std::vector<Value> reversed(Interpreter& in, const Value& subject) {
  const bool reversible = subject.is_string() || subject.is_sequence() || subject.is_dict() ||
                          subject.as<RangeObject>() || subject.as<ViewObject>() || subject.is_undefined();
  if (!reversible) throw Failure(fmt::format("'{}' object is not reversible", type_name(subject)));
  std::vector<Value> items = in.collect(subject);
  std::reverse(items.begin(), items.end());
  return items;
}

Value last(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("last", arguments, {});
  if (subject.is_sequence() && !subject.items().empty()) return subject.items().back();
  const std::vector<Value> items = reversed(in, subject);
  if (!items.empty()) return items.front();
  return in.heap().undefined_hint("No last item, sequence was empty.");
}

Value list(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("list", arguments, {});
  return in.heap().list(in.collect(subject));
}

Value reverse(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("reverse", arguments, {});
  if (subject.is_string()) return slice(in, subject, Value(), Value(), Value::integer(-1));
  if (!iterable(subject)) throw Failure("argument must be iterable");
  if (subject.as<IteratorObject>()) {
    std::vector<Value> items = in.collect(subject);
    std::reverse(items.begin(), items.end());
    return in.heap().list(std::move(items));
  }
  return in.heap().object<IteratorObject>("list_reverseiterator", reversed(in, subject));
}

Value attr(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("attr", arguments, {"name"}, 1);
  if (subject.is_undefined()) fail_undefined(subject);
  const std::string_view name = args.view(0);
  if (subject.is_dict() && !find_method(subject, name) && !is_mutating_method(subject, name)) {
    return in.heap().undefined_member(subject, args.at(0));
  }
  return in.attribute(subject, name);
}

Value items(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("items", arguments, {});
  std::vector<Value> out;
  if (subject.is_undefined()) return generator(in, {});
  if (!subject.is_dict()) throw Failure("Can only get item pairs from a mapping.");
  for (const auto& [key, value] : subject.as_dict().entries()) out.push_back(in.heap().tuple({key, value}));
  return generator(in, std::move(out));
}

// ---- map, select and their like

Value map(Interpreter& in, const Value& subject, Arguments& arguments) {
  if (!truth(subject)) return generator(in, {});
  std::vector<Value> out;
  const auto attribute = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                                      [](const auto& k) { return k.first == "attribute"; });
  if (arguments.positional.empty() && attribute != arguments.keywords.end()) {
    const Bound args("map", arguments, {"attribute", "default"});
    const AttributePath path(args.at(0));
    const Value otherwise = args.get(1, Value());
    for (const Value& item : in.collect(subject)) {
      out.push_back(path.of(in, item, otherwise.is_none() ? nullptr : &otherwise));
    }
    return generator(in, std::move(out));
  }
  if (arguments.positional.empty()) throw Failure("map requires a filter argument");
  const Value name = arguments.positional.front();
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin());
  for (const Value& item : in.collect(subject)) {
    Arguments copy = rest;
    out.push_back(in.apply_filter(name, item, copy));
  }
  return generator(in, std::move(out));
}

Value select_or_reject(Interpreter& in, const Value& subject, Arguments& arguments, bool keep,
                       bool by_attribute) {
  if (!truth(subject)) return generator(in, {});
  Arguments rest = arguments;
  AttributePath path{Value()};
  if (by_attribute) {
    if (rest.positional.empty()) throw Failure("Missing parameter for attribute name");
    path = AttributePath(rest.positional.front());
    rest.positional.erase(rest.positional.begin());
  }
  Value test;
  const bool tested = !rest.positional.empty();
  if (tested) {
    test = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
  }
  std::vector<Value> out;
  for (const Value& item : in.collect(subject)) {
    const Value value = path.of(in, item);
    Arguments copy = rest;
    const bool passed = tested ? in.apply_test(test, value, copy) : truth(value);
    if (passed == keep) out.push_back(item);
  }
  return generator(in, std::move(out));
}
Value select(Interpreter& in, const Value& v, Arguments& a) {
  return select_or_reject(in, v, a, true, false);
}
Value reject(Interpreter& in, const Value& v, Arguments& a) {
  return select_or_reject(in, v, a, false, false);
}
Value select_attr(Interpreter& in, const Value& v, Arguments& a) {
  return select_or_reject(in, v, a, true, true);
}
Value reject_attr(Interpreter& in, const Value& v, Arguments& a) {
  return select_or_reject(in, v, a, false, true);
}

// ---- order

struct Keyed {
  std::vector<Value> keys;
  Value item;
};

void sort_keyed(std::vector<Keyed>& items, bool descending) {
  const auto before = [](const Keyed& a, const Keyed& b) {
    for (std::size_t i = 0; i < a.keys.size(); ++i) {
      if (!equal(a.keys[i], b.keys[i])) return less(a.keys[i], b.keys[i]);
    }
    return false;
  };
  // Python keeps equal items in their order also when it sorts downwards.
  if (descending) {
    std::stable_sort(items.begin(), items.end(),
                     [&](const Keyed& a, const Keyed& b) { return before(b, a); });
  } else {
    std::stable_sort(items.begin(), items.end(), before);
  }
}

Value sort(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const auto paths = attribute_paths(args.get(2, Value()));
  std::vector<Keyed> keyed;
  for (const Value& item : in.collect(subject)) {
    Keyed entry{{}, item};
    for (const AttributePath& path : paths) {
      entry.keys.push_back(folded(in, path.of(in, item), args.flag(1, false)));
    }
    keyed.push_back(std::move(entry));
  }
  sort_keyed(keyed, args.flag(0, false));
  std::vector<Value> out;
  for (const Keyed& entry : keyed) out.push_back(entry.item);
  return in.heap().list(std::move(out));
}

Value dictsort(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const bool by_value = args.has(1) && equal(args.at(1), in.string("value"));
  if (args.has(1) && !by_value && !equal(args.at(1), in.string("key"))) {
    throw Failure("You can only sort by either \"key\" or \"value\"");
  }
  if (subject.is_undefined()) fail_undefined(subject);
  if (!subject.is_dict())
    throw Failure(fmt::format("'{}' object has no attribute 'items'", type_name(subject)));
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : subject.as_dict().entries()) {
    keyed.push_back(
        {{folded(in, by_value ? value : key, args.flag(0, false))}, in.heap().tuple({key, value})});
  }
  sort_keyed(keyed, args.flag(2, false));
  std::vector<Value> out;
  for (const Keyed& entry : keyed) out.push_back(entry.item);
  return in.heap().list(std::move(out));
}

Value unique(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("unique", arguments, {"case_sensitive", "attribute"});
  const AttributePath path(args.get(1, Value()));
  Dict seen;
  std::vector<Value> out;
  for (const Value& item : in.collect(subject)) {
    const Value key = folded(in, path.of(in, item), args.flag(0, false));
    if (seen.find(key)) continue;
    seen.set(key, Value());
    out.push_back(item);
  }
  return generator(in, std::move(out));
}

Value extreme(Interpreter& in, const Value& subject, Arguments& arguments, bool largest) {
  const Bound args("min", arguments, {"case_sensitive", "attribute"});
  const std::vector<Value> all = in.collect(subject);
  if (all.empty()) return in.heap().undefined_hint("No aggregated item, sequence was empty.");
  const AttributePath path(args.get(1, Value()));
  Value best = all.front();
  Value best_key = folded(in, path.of(in, best), args.flag(0, false));
  for (std::size_t i = 1; i < all.size(); ++i) {
    const Value key = folded(in, path.of(in, all[i]), args.flag(0, false));
    if (largest ? less(best_key, key, ">") : less(key, best_key)) {
      best = all[i];
      best_key = key;
    }
  }
  return best;
}
Value min(Interpreter& in, const Value& v, Arguments& a) { return extreme(in, v, a, false); }
Value max(Interpreter& in, const Value& v, Arguments& a) { return extreme(in, v, a, true); }

Value sum(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("sum", arguments, {"attribute", "start"});
  const AttributePath path(args.get(0, Value()));
  Value total = args.get(1, Value::integer(0));
  if (total.is_string()) throw Failure("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : in.collect(subject))
    total = arithmetic(in, ExprKind::add, total, path.of(in, item));
  return total;
}

// ---- groups

// A (grouper, list) pair that can be unpacked, indexed, or read by name.
class GroupObject : public Object {
 public:
  GroupObject(const Value& key, const Value& members) : parts_{key, members} {}
  std::string type_name() const override { return "_GroupTuple"; }
  std::string repr(int depth) const override {
    return fmt::format("({}, {})", jinja::repr(parts_[0], depth + 1), jinja::repr(parts_[1], depth + 1));
  }
  bool has_length() const override { return true; }
  std::size_t length() override { return 2; }
  bool iterable() const override { return true; }
  bool next(Interpreter&, std::size_t& position, Value& out) override {
    if (position >= 2) return false;
    out = parts_[position++];
    return true;
  }
  bool indexable() const override { return true; }
  Value at(Heap&, std::int64_t index) override { return parts_[index]; }
  bool attribute(Interpreter&, std::string_view name, Value& out) override {
    if (name != "grouper" && name != "list") return false;
    out = parts_[name == "list"];
    return true;
  }

 private:
  Value parts_[2];
};

Value groupby(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const AttributePath path(args.at(0));
  const Value otherwise = args.get(1, Value());
  std::vector<Keyed> keyed;
  std::vector<Value> names;
  for (const Value& item : in.collect(subject)) {
    const Value key = path.of(in, item, otherwise.is_none() ? nullptr : &otherwise);
    keyed.push_back({{folded(in, key, args.flag(2, false)), key}, item});
  }
  std::vector<Value> groups;
  // Sort by the folded key alone; the real one of a group's first member names it.
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const Keyed& a, const Keyed& b) { return less(a.keys[0], b.keys[0]); });
  for (std::size_t i = 0; i < keyed.size();) {
    std::vector<Value> members;
    std::size_t j = i;
    for (; j < keyed.size() && equal(keyed[j].keys[0], keyed[i].keys[0]); ++j)
      members.push_back(keyed[j].item);
    groups.push_back(in.heap().object<GroupObject>(keyed[i].keys[1], in.heap().list(std::move(members))));
    i = j;
  }
  return in.heap().list(std::move(groups));
}

Value batch(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("batch", arguments, {"linecount", "fill_with"}, 1);
  const std::int64_t count = args.integer(0, 1);
  std::vector<Value> rows;
  std::vector<Value> row;
  for (const Value& item : in.collect(subject)) {
    if (static_cast<std::int64_t>(row.size()) == count) {
      rows.push_back(in.heap().list(std::move(row)));
      row.clear();
    }
    row.push_back(item);
  }
  if (!row.empty()) {
    if (args.some(1) && static_cast<std::int64_t>(row.size()) < count) {
      in.heap().check_list(static_cast<std::size_t>(count));
      row.resize(static_cast<std::size_t>(count), args.at(1));
    }
    rows.push_back(in.heap().list(std::move(row)));
  }
  return generator(in, std::move(rows));
}

Value slice_filter(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("slice", arguments, {"slices", "fill_with"}, 1);
  const std::int64_t slices = args.integer(0, 1);
  const std::vector<Value> all = in.collect(subject);
  if (slices == 0) throw Failure("integer division or modulo by zero");
  std::vector<Value> rows;
  if (slices < 0) return generator(in, {});
  in.heap().check_list(static_cast<std::size_t>(slices));
  const auto n = static_cast<std::int64_t>(all.size());
  const std::int64_t each = n / slices;
  const std::int64_t longer = n % slices;
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < slices; ++i) {
    const std::int64_t end = at + each + (i < longer);
    std::vector<Value> row(all.begin() + at, all.begin() + end);
    at = end;
    if (args.some(1) && i >= longer) row.push_back(args.at(1));
    rows.push_back(in.heap().list(std::move(row)));
  }
  return generator(in, std::move(rows));
}

}  // namespace

const std::vector<NamedFilter>& sequence_filters() {
  static const std::vector<NamedFilter> filters = {
      {"length", length_filter},
      {"count", length_filter},
      {"default", default_filter},
      {"d", default_filter},
      {"first", first},
      {"last", last},
      {"list", list},
      {"reverse", reverse},
      {"attr", attr},
      {"items", items},
      {"map", map},
      {"select", select},
      {"reject", reject},
      {"selectattr", select_attr},
      {"rejectattr", reject_attr},
      {"sort", sort},
      {"dictsort", dictsort},
      {"unique", unique},
      {"min", min},
      {"max", max},
      {"sum", sum},
      {"groupby", groupby},
      {"batch", batch},
      {"slice", slice_filter},
  };
  return filters;
}

}  // namespace moe::jinja
