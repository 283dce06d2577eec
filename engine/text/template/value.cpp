// Values: ownership, equality, order and hashing with Python's rules.
#include "engine/text/template/value.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "engine/text/template/repr.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

constexpr std::size_t kLinearSearch = 8;

thread_local Budget* charged = nullptr;

std::size_t hash_bytes(std::string_view bytes) { return std::hash<std::string_view>{}(bytes); }

}  // namespace

std::string_view Value::as_view() const { return text_->bytes; }
const std::vector<Value>& Value::items() const { return list_->items; }

void Budget::exhausted() {
  throw Failure(ErrorKind::limit, "the template needs more work than it is allowed (does it loop for ever?)");
}

void charge(std::uint64_t units) {
  if (charged) charged->spend(units);
}

ChargeTo::ChargeTo(Budget* budget) : before_(charged) { charged = budget; }
ChargeTo::~ChargeTo() { charged = before_; }

void check_depth(int depth) {
  if (depth > kDeepestValue) {
    throw Failure(ErrorKind::limit,
                  "a value is nested deeper than " + std::to_string(kDeepestValue) + " levels");
  }
}

// ---- heap

void Heap::check_string(std::size_t bytes) {
  if (bytes > longest_string_) {
    throw Failure(ErrorKind::limit, "a string would be longer than " + std::to_string(longest_string_) +
                                        " bytes (it would have " + std::to_string(bytes) + ")");
  }
}

void Heap::check_list(std::size_t items) {
  if (items > longest_list_) {
    throw Failure(ErrorKind::limit,
                  "a list would be longer than " + std::to_string(longest_list_) + " items");
  }
}

Value Heap::string(std::string bytes, bool markup) {
  check_string(bytes.size());
  spend(4 + bytes.size() / 16);
  const std::size_t length = utf8::count(bytes);
  texts_.push_back(Text{std::move(bytes), length, markup});
  return Value::text(&texts_.back());
}

Value Heap::big_integer(std::string digits) {
  const Value text = string(std::move(digits));
  return Value::big_integer(&text.as_text());
}

Value Heap::list(std::vector<Value> items) {
  check_list(items.size());
  spend(4 + items.size());
  lists_.push_back(List{std::move(items)});
  return Value::list(&lists_.back());
}

Value Heap::tuple(std::vector<Value> items) {
  list(std::move(items));
  return Value::tuple(&lists_.back());
}

Value Heap::dict(Dict dict) {
  check_list(dict.size());
  spend(6 + 6 * dict.size());
  dicts_.push_back(std::move(dict));
  return Value::dict(&dicts_.back());
}

Value Heap::undefined_name(std::string_view name) {
  spend(8);
  undefineds_.push_back(Undefined{{}, {}, string(std::string(name))});
  return Value::undefined(&undefineds_.back());
}

Value Heap::undefined_member(const Value& owner, const Value& name) {
  spend(8);
  undefineds_.push_back(Undefined{{}, member_owner_name(owner), name});
  return Value::undefined(&undefineds_.back());
}

Value Heap::undefined_hint(std::string hint) {
  spend(8);
  undefineds_.push_back(Undefined{std::move(hint), {}, {}});
  return Value::undefined(&undefineds_.back());
}

std::string Undefined::message() const {
  if (!hint.empty()) return hint;
  if (owner.empty()) return repr(name) + " is undefined";
  if (!name.is_string()) return owner + " has no element " + repr(name);
  return "'" + owner + "' has no attribute " + repr(name);
}

void fail_undefined(const Value& value) { throw Failure(value.as_undefined().message()); }

std::string Object::repr(int) const { return fmt::format("<{} object>", type_name()); }

Value Object::call(Interpreter&, Arguments&) {
  throw Failure("'" + type_name() + "' object is not callable");
}

// ---- dict

template <typename Same>
const Dict::Entry* Dict::lookup(std::size_t key_hash, const Same& same) const {
  if (entries_.size() <= kLinearSearch) {
    for (const Entry& entry : entries_) {
      if (same(entry.first)) return &entry;
    }
    return nullptr;
  }
  const auto range = index_.equal_range(key_hash);
  for (auto it = range.first; it != range.second; ++it) {
    if (same(entries_[it->second].first)) return &entries_[it->second];
  }
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  const Entry* entry = lookup(hash(key), [&key](const Value& other) { return equal(key, other); });
  return entry ? &entry->second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  const Entry* entry = lookup(
      hash_bytes(key), [key](const Value& other) { return other.is_string() && other.as_view() == key; });
  return entry ? &entry->second : nullptr;
}

void Dict::set(const Value& key, const Value& value) {
  if (const Value* found = find(key)) {
    *const_cast<Value*>(found) = value;  // entries_ is ours
    return;
  }
  entries_.emplace_back(key, value);
  const auto last = static_cast<std::uint32_t>(entries_.size() - 1);
  if (entries_.size() == kLinearSearch + 1) {
    for (std::uint32_t i = 0; i < last; ++i) index_.emplace(hash(entries_[i].first), i);
  }
  if (entries_.size() > kLinearSearch) index_.emplace(hash(key), last);
}

// ---- Python's view of a value

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
    case Kind::big_integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::string:
      return value.as_text().markup ? "Markup" : "str";
    case Kind::list:
      return "list";
    case Kind::tuple:
      return "tuple";
    case Kind::dict:
      return "dict";
    case Kind::object:
      return value.as_object().type_name();
  }
  return "object";
}

std::string member_owner_name(const Value& value) {
  if (value.is_none()) return "None";
  const std::string name = type_name(value);
  std::string_view module;
  if (name == "LoopContext" || name == "Macro") module = "jinja2.runtime.";
  if (name == "TemplateNamespace") module = "transformers.utils.chat_template_utils.";
  return fmt::format("{}{} object", module, name);
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return value.as_integer() != 0;
    case Kind::big_integer:
      return true;
    case Kind::real:
      return value.as_real() != 0.0;
    case Kind::string:
      return !value.as_view().empty();
    case Kind::list:
    case Kind::tuple:
      return !value.items().empty();
    case Kind::dict:
      return value.as_dict().size() != 0;
    case Kind::object:
      return value.as_object().truth();
  }
  return true;
}

bool equal(const Value& a, const Value& b, int depth) {
  check_depth(depth);
  charge(1);
  if (a.is_integral() && b.is_integral()) return a.as_integer() == b.as_integer();
  if (a.kind() == Kind::big_integer || b.kind() == Kind::big_integer) {
    return a.kind() == b.kind() && a.as_view() == b.as_view();
  }
  if (a.is_number() && b.is_number()) return a.as_real() == b.as_real();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::none:
      return true;
    case Kind::string:
      if (a.as_view().size() == b.as_view().size()) charge(a.as_view().size() / 64);
      return a.as_view() == b.as_view();
    case Kind::list:
    case Kind::tuple: {
      const auto& x = a.items();
      const auto& y = b.items();
      if (&x == &y) return true;
      if (x.size() != y.size()) return false;
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (!equal(x[i], y[i], depth + 1)) return false;
      }
      return true;
    }
    case Kind::dict: {
      const Dict& x = a.as_dict();
      const Dict& y = b.as_dict();
      if (&x == &y) return true;
      if (x.size() != y.size()) return false;
      for (const auto& [key, value] : x.entries()) {
        const Value* other = y.find(key);
        if (other == nullptr || !equal(value, *other, depth + 1)) return false;
      }
      return true;
    }
    case Kind::object:
      return a.as_object().equals(b.as_object());
    default:
      return false;
  }
}

bool less(const Value& a, const Value& b, std::string_view op, int depth) {
  check_depth(depth);
  charge(1);
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (a.is_integral() && b.is_integral()) return a.as_integer() < b.as_integer();
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::big_integer) || b.is(Kind::big_integer)) {
      throw Failure(ErrorKind::limit, "integers beyond 64 bits cannot be compared");
    }
    return a.as_real() < b.as_real();
  }
  if (a.is_string() && b.is_string()) {
    charge(std::min(a.as_view().size(), b.as_view().size()) / 64);
    return a.as_view() < b.as_view();  // UTF-8 keeps code point order
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    const auto& x = a.items();
    const auto& y = b.items();
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (!equal(x[i], y[i], depth + 1)) return less(x[i], y[i], op, depth + 1);
    }
    return x.size() < y.size();
  }
  // Callers swap the operands of > and >=; the message names them as written.
  const bool swapped = op == ">" || op == "<=";
  const std::string left = type_name(swapped ? b : a);
  const std::string right = type_name(swapped ? a : b);
  throw Failure("'" + std::string(op) + "' not supported between instances of '" + left + "' and '" + right +
                "'");
}

std::size_t hash(const Value& value, int depth) {
  check_depth(depth);
  charge(1);
  switch (value.kind()) {
    case Kind::undefined:
      return 1;
    case Kind::none:
      return 2;
    case Kind::boolean:
    case Kind::integer:
      return std::hash<std::int64_t>{}(value.as_integer());
    case Kind::big_integer:
      return hash_bytes(value.as_view());
    case Kind::real: {
      const double d = value.as_real();
      if (std::floor(d) == d && std::fabs(d) < 9.0e18) {
        return std::hash<std::int64_t>{}(static_cast<std::int64_t>(d));  // 1 and 1.0 are one key
      }
      return std::hash<double>{}(d);
    }
    case Kind::string:
      charge(value.as_view().size() / 32);
      return hash_bytes(value.as_view());
    case Kind::tuple: {
      std::size_t seed = 3;
      for (const Value& item : value.items()) seed = seed * 1000003 ^ hash(item, depth + 1);
      return seed;
    }
    case Kind::list:
    case Kind::dict:
      throw Failure("unhashable type: '" + type_name(value) + "'");
    case Kind::object:
      return std::hash<const void*>{}(&value.as_object());
  }
  return 0;
}

}  // namespace moe::jinja
