// Values of the template language: small handles with Python's types, owned by a heap that lives as long as
// they do.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/base/error.h"

namespace moe::jinja {

class Interpreter;
class Object;
class Value;
struct Arguments;
struct Dict;
struct List;
struct Text;
struct Undefined;

// What Python would raise. The interpreter turns it into a TemplateError that names the template and the
// line.
class Failure : public std::runtime_error {
 public:
  Failure(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  explicit Failure(const std::string& message) : Failure(ErrorKind::config, message) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

enum class Kind : std::uint8_t {
  undefined,
  none,
  boolean,
  integer,
  big_integer,  // beyond 64 bits: only carried from input to output
  real,
  string,
  list,
  tuple,
  dict,
  object,
};

// A 16-byte handle. Everything behind it is owned by a Heap and never changes (namespaces excepted).
class Value {
 public:
  Value() : integer_(0) {}
  static Value boolean(bool b) {
    Value v(Kind::boolean);
    v.integer_ = b ? 1 : 0;
    return v;
  }
  static Value integer(std::int64_t i) {
    Value v(Kind::integer);
    v.integer_ = i;
    return v;
  }
  static Value real(double d) {
    Value v(Kind::real);
    v.real_ = d;
    return v;
  }
  static Value text(const Text* t) {
    Value v(Kind::string);
    v.text_ = t;
    return v;
  }
  static Value big_integer(const Text* t) {
    Value v(Kind::big_integer);
    v.text_ = t;
    return v;
  }
  static Value list(const List* l) {
    Value v(Kind::list);
    v.list_ = l;
    return v;
  }
  static Value tuple(const List* l) {
    Value v(Kind::tuple);
    v.list_ = l;
    return v;
  }
  static Value dict(const Dict* d) {
    Value v(Kind::dict);
    v.dict_ = d;
    return v;
  }
  static Value undefined(const Undefined* u) {
    Value v(Kind::undefined);
    v.undefined_ = u;
    return v;
  }
  static Value object(Object* o) {
    Value v(Kind::object);
    v.object_ = o;
    return v;
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_none() const { return kind_ == Kind::none; }
  bool is_undefined() const { return kind_ == Kind::undefined; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_dict() const { return kind_ == Kind::dict; }
  bool is_sequence() const { return kind_ == Kind::list || kind_ == Kind::tuple; }
  // Python's bool is an int.
  bool is_integral() const { return kind_ == Kind::boolean || kind_ == Kind::integer; }
  bool is_number() const { return is_integral() || kind_ == Kind::real || kind_ == Kind::big_integer; }

  // Each accessor is only for its own kinds.
  bool as_boolean() const { return integer_ != 0; }
  std::int64_t as_integer() const { return integer_; }
  double as_real() const { return kind_ == Kind::real ? real_ : static_cast<double>(integer_); }
  const Text& as_text() const { return *text_; }
  std::string_view as_view() const;
  const std::vector<Value>& items() const;
  const Dict& as_dict() const { return *dict_; }
  const Undefined& as_undefined() const { return *undefined_; }
  Object& as_object() const { return *object_; }
  template <typename T>
  T* as() const {
    return kind_ == Kind::object ? dynamic_cast<T*>(object_) : nullptr;
  }

  // Same object, as Python's `is` sees it.
  bool same(const Value& other) const { return kind_ == other.kind_ && integer_ == other.integer_; }

 private:
  explicit Value(Kind kind) : kind_(kind), integer_(0) {}
  Kind kind_ = Kind::none;
  union {
    std::int64_t integer_;
    double real_;
    const Text* text_;
    const List* list_;
    const Dict* dict_;
    const Undefined* undefined_;
    Object* object_;
  };
};

// UTF-8 with its length in code points, since templates index and slice by code point.
struct Text {
  std::string bytes;
  std::size_t length = 0;
  bool markup = false;  // marked safe by |safe or |escape
  bool ascii() const { return length == bytes.size(); }
};

struct List {
  std::vector<Value> items;
};

// Keeps insertion order, as Python's dict does.
struct Dict {
  using Entry = std::pair<Value, Value>;
  const std::vector<Entry>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  const Value* find(const Value& key) const;  // throws Failure for an unhashable key
  const Value* find(std::string_view key) const;
  void set(const Value& key, const Value& value);

 private:
  template <typename Same>
  const Entry* lookup(std::size_t hash, const Same& same) const;
  std::vector<Entry> entries_;
  std::unordered_multimap<std::size_t, std::uint32_t> index_;  // used from a few entries on
};

// The result of looking up what is not there; its message appears once somebody relies on it.
struct Undefined {
  std::string hint;   // the whole message, if known
  std::string owner;  // else: the type it was looked up on, empty for a variable
  Value name;
  std::string message() const;
};

// Work still allowed. One unit is about one expression node or 16 bytes written.
class Budget {
 public:
  explicit Budget(std::uint64_t units) : left_(units) {}
  void spend(std::uint64_t units) {
    if (units > left_) exhausted();
    left_ -= units;
  }

 private:
  [[noreturn]] static void exhausted();
  std::uint64_t left_;
};

// Charges the budget of the rendering that runs on this thread, if one does: comparisons and hashes walk
// values that share parts, so that a small value can take exponential time.
void charge(std::uint64_t units);

// Makes a budget the one that charge() spends from, for as long as it lives.
class ChargeTo {
 public:
  explicit ChargeTo(Budget* budget);
  ~ChargeTo();
  ChargeTo(const ChargeTo&) = delete;
  ChargeTo& operator=(const ChargeTo&) = delete;

 private:
  Budget* before_;
};

// Owns values until it dies: no counting, no cycles to break, no deep recursion on release.
class Heap {
 public:
  // Without a budget nothing is charged (parsed input, whose size the caller knows).
  explicit Heap(Budget* budget = nullptr, std::size_t longest_string = ~std::size_t{0},
                std::size_t longest_list = ~std::size_t{0})
      : budget_(budget), longest_string_(longest_string), longest_list_(longest_list) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  Value string(std::string bytes, bool markup = false);
  Value list(std::vector<Value> items);
  Value tuple(std::vector<Value> items);
  Value dict(Dict dict);
  Value undefined_name(std::string_view name);
  Value undefined_member(const Value& owner, const Value& name);
  Value undefined_hint(std::string hint);
  Value big_integer(std::string digits);
  template <typename T, typename... A>
  Value object(A&&... args) {
    spend(12);
    auto made = std::make_unique<T>(std::forward<A>(args)...);
    T* raw = made.get();
    objects_.push_back(std::move(made));
    return Value::object(raw);
  }

  void spend(std::uint64_t units) {
    if (budget_) budget_->spend(units);
  }
  // Throws before anything large is made.
  void check_string(std::size_t bytes);
  void check_list(std::size_t items);

 private:
  Budget* budget_;
  std::size_t longest_string_;
  std::size_t longest_list_;
  std::deque<Text> texts_;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Undefined> undefineds_;
  std::vector<std::unique_ptr<Object>> objects_;
};

// Everything else: ranges, dict views, iterators, namespaces, loops, callables.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;
  virtual std::string repr(int) const;
  virtual bool truth() const { return true; }
  virtual bool has_length() const { return false; }
  virtual std::size_t length() { return 0; }
  virtual bool iterable() const { return false; }
  // Yields the element at `position` (any state of the object's own) and moves it on; false at the end.
  virtual bool next(Interpreter&, std::size_t& /*position*/, Value& /*out*/) { return false; }
  virtual bool indexable() const { return false; }
  virtual Value at(Heap&, std::int64_t /*index, in range*/) { return {}; }
  virtual bool attribute(Interpreter&, std::string_view /*name*/, Value& /*out*/) { return false; }
  virtual bool callable() const { return false; }
  virtual Value call(Interpreter&, Arguments&);
  virtual bool equals(const Object& other) const { return this == &other; }
};

// Call arguments. Names point into the template or into dict keys.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> keywords;
};

std::string type_name(const Value& value);          // Python's type(x).__name__
std::string member_owner_name(const Value& value);  // as jinja2 names it in "'dict object' has no attribute"
bool truth(const Value& value);
bool equal(const Value& a, const Value& b, int depth = 0);
// Python's a < b; throws Failure for types without an order. `op` is for the message.
bool less(const Value& a, const Value& b, std::string_view op = "<", int depth = 0);
std::size_t hash(const Value& value, int depth = 0);
// Throws where Python's jinja2 raises UndefinedError.
[[noreturn]] void fail_undefined(const Value& value);

// Nesting beyond this is refused in comparisons, text forms and JSON.
inline constexpr int kDeepestValue = 200;
void check_depth(int depth);

}  // namespace moe::jinja
