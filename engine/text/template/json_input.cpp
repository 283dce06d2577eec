// A SAX handler that builds values: no intermediate tree, so that order is kept and depth costs no stack.
#include "engine/text/template/json_input.h"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace moe::jinja {
namespace {

class Builder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  Builder(Heap& heap, std::string_view name) : heap_(heap), name_(name) {}
  Value root;

  bool null() { return add(Value()); }
  bool boolean(bool b) { return add(Value::boolean(b)); }
  bool number_integer(number_integer_t i) { return add(Value::integer(i)); }
  bool number_unsigned(number_unsigned_t u) {
    if (u > static_cast<number_unsigned_t>(INT64_MAX)) return add(heap_.big_integer(std::to_string(u)));
    return add(Value::integer(static_cast<std::int64_t>(u)));
  }
  bool number_float(number_float_t d, const string_t& digits) {
    if (digits.find_first_of(".eE") == string_t::npos) return add(heap_.big_integer(digits));
    return add(Value::real(d));
  }
  bool string(string_t& text) { return add(heap_.string(std::move(text))); }
  bool binary(binary_t&) { return false; }
  bool start_object(std::size_t) { return open(true); }
  bool key(string_t& text) {
    open_.back().key = heap_.string(std::move(text));
    return true;
  }
  bool end_object() {
    const Value made = heap_.dict(std::move(open_.back().dict));
    open_.pop_back();
    return add(made);
  }
  bool start_array(std::size_t) { return open(false); }
  bool end_array() {
    const Value made = heap_.list(std::move(open_.back().items));
    open_.pop_back();
    return add(made);
  }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception& error) {
    // The library's own words, without its error number.
    std::string what = error.what();
    const std::size_t text = what.find("] ");
    throw Error(ErrorKind::format, Fault{std::string(name_), "byte " + std::to_string(at), "JSON",
                                         text == std::string::npos ? what : what.substr(text + 2)});
  }

 private:
  struct Open {
    bool object;
    Dict dict;
    std::vector<Value> items;
    Value key;
  };

  bool open(bool object) {
    if (open_.size() >= kDeepest) {
      throw Error(ErrorKind::limit, Fault{std::string(name_), "nesting",
                                          "at most " + std::to_string(kDeepest) + " levels", "more"});
    }
    open_.push_back({object, {}, {}, {}});
    return true;
  }

  bool add(const Value& value) {
    if (open_.empty()) {
      root = value;
    } else if (open_.back().object) {
      open_.back().dict.set(open_.back().key, value);
    } else {
      open_.back().items.push_back(value);
    }
    return true;
  }

  static constexpr std::size_t kDeepest = kDeepestValue - 50;  // templates may wrap what they are given
  Heap& heap_;
  std::string_view name_;
  std::vector<Open> open_;
};

}  // namespace

Value read_json(std::string_view text, std::string_view name, Heap& heap) {
  Builder builder(heap, name);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.root;
}

}  // namespace moe::jinja
