// The named tests of `is`.
#include <unordered_map>

#include <fmt/format.h>

#include "engine/text/template/arguments.h"
#include "engine/text/template/evaluator.h"
#include "engine/text/template/filters.h"
#include "engine/text/template/objects.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"
#include "engine/text/template/text_ops.h"

namespace moe::jinja {
namespace {

// A test without arguments.
template <bool (*Is)(const Value&)>
bool plain(Interpreter&, const Value& value, Arguments& arguments) {
  const Bound args("test", arguments, {});
  return Is(value);
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_boolean(const Value& v) { return v.is(Kind::boolean); }
bool is_true(const Value& v) { return v.is(Kind::boolean) && v.as_boolean(); }
bool is_false(const Value& v) { return v.is(Kind::boolean) && !v.as_boolean(); }
bool is_integer(const Value& v) { return v.is(Kind::integer) || v.is(Kind::big_integer); }
bool is_float(const Value& v) { return v.is(Kind::real); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_string(const Value& v) { return v.is_string(); }
bool is_mapping(const Value& v) { return v.is_dict(); }
bool is_lower(const Value& v) { return is_lower_text(str(v)); }
bool is_upper(const Value& v) { return is_upper_text(str(v)); }
bool is_callable(const Value& v) {
  return v.is_undefined() || (v.is(Kind::object) && v.as_object().callable());  // Undefined defines __call__
}
bool is_escaped(const Value& v) { return v.is_string() && v.as_text().markup; }
bool is_sequence(const Value& v) {
  // Has a length and can be indexed; an undefined value counts, as in jinja2.
  return v.is_undefined() || v.is_string() || v.is_sequence() || v.is_dict() ||
         (v.is(Kind::object) && v.as_object().indexable());
}

bool remainder_is(Interpreter& in, const Value& value, const Value& divisor, std::int64_t wanted) {
  return equal(arithmetic(in, ExprKind::modulo, value, divisor), Value::integer(wanted));
}
bool is_odd(Interpreter& in, const Value& v, Arguments&) { return remainder_is(in, v, Value::integer(2), 1); }
bool is_even(Interpreter& in, const Value& v, Arguments&) {
  return remainder_is(in, v, Value::integer(2), 0);
}
bool is_divisible(Interpreter& in, const Value& v, Arguments& arguments) {
  const Bound args("divisibleby", arguments, {"num"}, 1);
  return remainder_is(in, v, args.at(0), 0);
}

bool is_same(Interpreter&, const Value& v, Arguments& arguments) {
  const Bound args("sameas", arguments, {"other"}, 1);
  if (v.is_string() && args.at(0).is_string()) return v.as_view() == args.at(0).as_view();
  return v.same(args.at(0));
}

bool is_in(Interpreter& in, const Value& v, Arguments& arguments) {
  const Bound args("in", arguments, {"seq"}, 1);
  return contains(in, args.at(0), v);
}

bool is_filter(Interpreter&, const Value& v, Arguments&) { return v.is_string() && find_filter(v.as_view()); }
bool is_test(Interpreter&, const Value& v, Arguments&) { return v.is_string() && find_test(v.as_view()); }

template <CompareOp Op>
bool compares(Interpreter& in, const Value& v, Arguments& arguments) {
  const Bound args("comparison", arguments, {"other"}, 1);
  return compare(in, Op, v, args.at(0));
}

}  // namespace

TestFunction find_test(std::string_view name) {
  static const std::unordered_map<std::string_view, TestFunction> tests = {
      {"defined", plain<is_defined>},
      {"undefined", plain<is_undefined>},
      {"none", plain<is_none>},
      {"boolean", plain<is_boolean>},
      {"true", plain<is_true>},
      {"false", plain<is_false>},
      {"integer", plain<is_integer>},
      {"float", plain<is_float>},
      {"number", plain<is_number>},
      {"string", plain<is_string>},
      {"mapping", plain<is_mapping>},
      {"sequence", plain<is_sequence>},
      {"iterable", plain<iterable>},
      {"lower", plain<is_lower>},
      {"upper", plain<is_upper>},
      {"callable", plain<is_callable>},
      {"escaped", plain<is_escaped>},
      {"odd", is_odd},
      {"even", is_even},
      {"divisibleby", is_divisible},
      {"sameas", is_same},
      {"in", is_in},
      {"filter", is_filter},
      {"test", is_test},
      {"eq", compares<CompareOp::eq>},
      {"equalto", compares<CompareOp::eq>},
      {"==", compares<CompareOp::eq>},
      {"ne", compares<CompareOp::ne>},
      {"!=", compares<CompareOp::ne>},
      {"lt", compares<CompareOp::lt>},
      {"lessthan", compares<CompareOp::lt>},
      {"<", compares<CompareOp::lt>},
      {"gt", compares<CompareOp::gt>},
      {"greaterthan", compares<CompareOp::gt>},
      {">", compares<CompareOp::gt>},
      {"le", compares<CompareOp::le>},
      {"<=", compares<CompareOp::le>},
      {"ge", compares<CompareOp::ge>},
      {">=", compares<CompareOp::ge>},
  };
  const auto it = tests.find(name);
  return it == tests.end() ? nullptr : it->second;
}

}  // namespace moe::jinja
