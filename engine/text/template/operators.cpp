// Arithmetic, comparison, membership and slicing with Python's types and messages.
#include "engine/text/template/operators.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/text/template/evaluator.h"
#include "engine/text/template/markup.h"
#include "engine/text/template/objects.h"
#include "engine/text/template/repr.h"
#include "engine/text/template/text_ops.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

std::string_view symbol_of(ExprKind op) {
  switch (op) {
    case ExprKind::add:
      return "+";
    case ExprKind::subtract:
      return "-";
    case ExprKind::multiply:
      return "*";
    case ExprKind::divide:
      return "/";
    case ExprKind::floor_divide:
      return "//";
    case ExprKind::modulo:
      return "%";
    default:
      return "** or pow()";
  }
}

[[noreturn]] void unsupported(ExprKind op, const Value& a, const Value& b) {
  throw Failure(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol_of(op), type_name(a),
                            type_name(b)));
}

[[noreturn]] void overflow() { throw Failure(ErrorKind::limit, "an integer grew beyond 64 bits"); }

Value integer_power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) throw Failure("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return Value::integer(result);
}

Value integers(ExprKind op, std::int64_t a, std::int64_t b) {
  std::int64_t r = 0;
  switch (op) {
    case ExprKind::add:
      if (__builtin_add_overflow(a, b, &r)) overflow();
      return Value::integer(r);
    case ExprKind::subtract:
      if (__builtin_sub_overflow(a, b, &r)) overflow();
      return Value::integer(r);
    case ExprKind::multiply:
      if (__builtin_mul_overflow(a, b, &r)) overflow();
      return Value::integer(r);
    case ExprKind::divide:
      if (b == 0) throw Failure("division by zero");
      return Value::real(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case ExprKind::floor_divide:
    case ExprKind::modulo: {
      if (b == 0) {
        throw Failure(op == ExprKind::modulo ? "integer modulo by zero"
                                             : "integer division or modulo by zero");
      }
      if (b == -1) {  // the one quotient that overflows
        if (op == ExprKind::modulo) return Value::integer(0);
        if (__builtin_sub_overflow(std::int64_t{0}, a, &r)) overflow();
        return Value::integer(r);
      }
      std::int64_t quotient = a / b;
      std::int64_t rest = a % b;
      if (rest != 0 && (rest < 0) != (b < 0)) {
        rest += b;
        --quotient;
      }
      return Value::integer(op == ExprKind::modulo ? rest : quotient);
    }
    default:
      return integer_power(a, b);
  }
}

Value reals(ExprKind op, double a, double b) {
  switch (op) {
    case ExprKind::add:
      return Value::real(a + b);
    case ExprKind::subtract:
      return Value::real(a - b);
    case ExprKind::multiply:
      return Value::real(a * b);
    case ExprKind::divide:
      if (b == 0) throw Failure("float division by zero");
      return Value::real(a / b);
    case ExprKind::floor_divide:
    case ExprKind::modulo: {
      if (b == 0) {
        throw Failure(op == ExprKind::modulo ? "float modulo" : "float floor division by zero");
      }
      double rest = std::fmod(a, b);
      double quotient = (a - rest) / b;
      if (rest != 0) {
        if ((b < 0) != (rest < 0)) {
          rest += b;
          quotient -= 1.0;
        }
      } else {
        rest = std::copysign(0.0, b);
      }
      if (op == ExprKind::modulo) return Value::real(rest);
      if (quotient == 0) return Value::real(std::copysign(0.0, a / b));
      double whole = std::floor(quotient);
      if (quotient - whole > 0.5) whole += 1.0;
      return Value::real(whole);
    }
    default: {
      if (a == 0 && b < 0) throw Failure("0.0 cannot be raised to a negative power");
      const double r = std::pow(a, b);
      if (std::isnan(r) && !std::isnan(a) && !std::isnan(b)) {
        throw Failure(ErrorKind::unsupported, "complex numbers are not supported");
      }
      if (std::isinf(r) && !std::isinf(a) && !std::isinf(b))
        throw Failure("(34, 'Numerical result out of range')");
      return Value::real(r);
    }
  }
}

Value repeat(Interpreter& in, const Value& sequence, std::int64_t times) {
  const auto n = static_cast<std::uint64_t>(std::max<std::int64_t>(times, 0));
  const auto product = [n](std::size_t size) {
    std::size_t r = 0;
    return __builtin_mul_overflow(size, n, &r) ? ~std::size_t{0} : r;
  };
  if (sequence.is_string()) {
    const std::string_view text = sequence.as_view();
    const std::size_t total = product(text.size());
    in.heap().check_string(total);
    std::string out;
    out.reserve(total);
    if (!text.empty()) {
      for (std::uint64_t i = 0; i < n; ++i) out += text;
    }
    return in.heap().string(std::move(out), sequence.as_text().markup);
  }
  const auto& items = sequence.items();
  const std::size_t total = product(items.size());
  in.heap().check_list(total);
  in.spend(total);
  std::vector<Value> out;
  out.reserve(total);
  if (!items.empty()) {
    for (std::uint64_t i = 0; i < n; ++i) out.insert(out.end(), items.begin(), items.end());
  }
  return sequence.is(Kind::list) ? in.heap().list(std::move(out)) : in.heap().tuple(std::move(out));
}

Value add(Interpreter& in, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) {
    const bool markup = a.as_text().markup || b.as_text().markup;
    std::string out;
    in.heap().check_string(a.as_view().size() + b.as_view().size());
    out.reserve(a.as_view().size() + b.as_view().size());
    const auto append = [&](const Value& v) {
      if (markup && !v.as_text().markup) {
        out += escape_html(v.as_view());
      } else {
        out += v.as_view();
      }
    };
    append(a);
    append(b);
    return in.heap().string(std::move(out), markup);
  }
  if (a.is_string()) {
    throw Failure(fmt::format("can only concatenate str (not \"{}\") to str", type_name(b)));
  }
  if (a.is_sequence()) {
    if (a.kind() != b.kind()) {
      throw Failure(fmt::format("can only concatenate {} (not \"{}\") to {}", type_name(a), type_name(b),
                                type_name(a)));
    }
    in.heap().check_list(a.items().size() + b.items().size());
    std::vector<Value> out = a.items();
    out.insert(out.end(), b.items().begin(), b.items().end());
    return a.is(Kind::list) ? in.heap().list(std::move(out)) : in.heap().tuple(std::move(out));
  }
  unsupported(ExprKind::add, a, b);
}

}  // namespace

Value arithmetic(Interpreter& in, ExprKind op, const Value& a, const Value& b) {
  if (a.is_undefined()) fail_undefined(a);
  if (op == ExprKind::modulo && a.is_string()) return percent_format(in, a, b);
  if (b.is_undefined()) fail_undefined(b);
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::big_integer) || b.is(Kind::big_integer)) overflow();
    if (a.is_integral() && b.is_integral()) return integers(op, a.as_integer(), b.as_integer());
    return reals(op, a.as_real(), b.as_real());
  }
  if (op == ExprKind::add) return add(in, a, b);
  if (op == ExprKind::multiply) {
    const bool left = a.is_string() || a.is_sequence();
    const bool right = b.is_string() || b.is_sequence();
    if (left && b.is_integral()) return repeat(in, a, b.as_integer());
    if (right && a.is_integral()) return repeat(in, b, a.as_integer());
    if (left || right) {
      throw Failure(fmt::format("can't multiply sequence by non-int of type '{}'", type_name(left ? b : a)));
    }
  }
  unsupported(op, a, b);
}

Value negate(const Value& a) {
  if (a.is_undefined()) fail_undefined(a);
  if (a.is_integral()) return integers(ExprKind::subtract, 0, a.as_integer());
  if (a.is(Kind::real)) return Value::real(-a.as_real());
  if (a.is(Kind::big_integer)) overflow();
  throw Failure(fmt::format("bad operand type for unary -: '{}'", type_name(a)));
}

Value unary_plus(const Value& a) {
  if (a.is_undefined()) fail_undefined(a);
  if (a.is_integral()) return Value::integer(a.as_integer());
  if (a.is_number()) return a;
  throw Failure(fmt::format("bad operand type for unary +: '{}'", type_name(a)));
}

bool compare(Interpreter& in, CompareOp op, const Value& a, const Value& b) {
  const bool reals = a.is_number() && b.is_number() && (a.is(Kind::real) || b.is(Kind::real)) &&
                     !a.is(Kind::big_integer) && !b.is(Kind::big_integer);
  switch (op) {
    case CompareOp::eq:
      return equal(a, b);
    case CompareOp::ne:
      return !equal(a, b);
    case CompareOp::lt:
      return less(a, b, "<");
    case CompareOp::gt:
      return less(b, a, ">");
    // not (b < a) would be true of NaN
    case CompareOp::le:
      return reals ? a.as_real() <= b.as_real() : !less(b, a, "<=");
    case CompareOp::ge:
      return reals ? a.as_real() >= b.as_real() : !less(a, b, ">=");
    case CompareOp::in:
      return contains(in, b, a);
    case CompareOp::not_in:
      return !contains(in, b, a);
  }
  return false;
}

bool contains(Interpreter& in, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::string:
      if (!item.is_string()) {
        throw Failure(fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
      }
      return find_in(container.as_view(), item.as_view()) != std::string_view::npos;
    case Kind::list:
    case Kind::tuple:
      for (const Value& other : container.items()) {
        if (equal(item, other)) return true;
      }
      return false;
    case Kind::dict:
      return container.as_dict().find(item) != nullptr;
    default:
      break;
  }
  if (!iterable(container)) {
    throw Failure(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  }
  Cursor cursor = in.iterate(container);
  Value other;
  while (cursor.next(in, other)) {
    in.spend(1);
    if (equal(item, other)) return true;
  }
  return false;
}

std::optional<std::size_t> try_length(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return 0;
    case Kind::string:
      return value.as_text().length;
    case Kind::list:
    case Kind::tuple:
      return value.items().size();
    case Kind::dict:
      return value.as_dict().size();
    case Kind::object:
      if (value.as_object().has_length()) return value.as_object().length();
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::size_t length(const Value& value) {
  if (const auto n = try_length(value)) return *n;
  throw Failure(fmt::format("object of type '{}' has no len()", type_name(value)));
}

bool iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
      return true;
    case Kind::object:
      return value.as_object().iterable();
    default:
      return false;
  }
}

std::int64_t index_value(const Value& value, std::string_view what) {
  if (value.is_integral()) return value.as_integer();
  if (value.is(Kind::big_integer)) throw Failure(ErrorKind::limit, "an index is beyond 64 bits");
  throw Failure(std::string(what));
}

std::size_t slice_indices(std::size_t length, const Value& start, const Value& stop, const Value& step,
                          std::int64_t& first, std::int64_t& stride) {
  constexpr std::string_view kWhat = "slice indices must be integers or None or have an __index__ method";
  const auto n = static_cast<std::int64_t>(length);
  stride = step.is_none() ? 1 : index_value(step, kWhat);
  if (stride == 0) throw Failure("slice step cannot be zero");
  stride = std::clamp<std::int64_t>(stride, -n - 1, n + 1);
  const std::int64_t low = stride > 0 ? 0 : -1;
  const std::int64_t high = stride > 0 ? n : n - 1;
  const auto bound = [&](const Value& value, std::int64_t otherwise) {
    if (value.is_none()) return otherwise;
    std::int64_t i = index_value(value, kWhat);
    if (i < 0) i = i < -n ? low : i + n;
    return std::clamp(i, low, high);
  };
  first = bound(start, stride > 0 ? low : high);
  const std::int64_t last = bound(stop, stride > 0 ? high : low);
  if (stride > 0) return first < last ? static_cast<std::size_t>((last - first - 1) / stride + 1) : 0;
  return first > last ? static_cast<std::size_t>((first - last - 1) / -stride + 1) : 0;
}

Value slice(Interpreter& in, const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) fail_undefined(value);
  std::int64_t first = 0;
  std::int64_t stride = 1;
  if (value.is_string()) {
    const Text& text = value.as_text();
    const std::size_t count = slice_indices(text.length, start, stop, step, first, stride);
    in.spend(text.bytes.size() / 16);
    if (count == 0) return in.heap().string({}, text.markup);
    if (stride == 1) {
      const std::string_view all = text.bytes;
      const std::size_t from =
          text.ascii() ? static_cast<std::size_t>(first) : byte_offset(all, static_cast<std::size_t>(first));
      const std::size_t size = text.ascii() ? count : byte_offset(all.substr(from), count);
      return in.heap().string(std::string(all.substr(from, size)), text.markup);
    }
    in.spend(text.length);
    const auto chars = characters(text.bytes);
    std::string out;
    for (std::size_t i = 0; i < count; ++i)
      out += chars[static_cast<std::size_t>(first + static_cast<std::int64_t>(i) * stride)];
    return in.heap().string(std::move(out), text.markup);
  }
  if (value.is_sequence()) {
    const auto& items = value.items();
    const std::size_t count = slice_indices(items.size(), start, stop, step, first, stride);
    std::vector<Value> out;
    out.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      out.push_back(items[static_cast<std::size_t>(first + static_cast<std::int64_t>(i) * stride)]);
    return value.is(Kind::list) ? in.heap().list(std::move(out)) : in.heap().tuple(std::move(out));
  }
  if (const auto* range = value.as<RangeObject>()) {
    const std::size_t count = slice_indices(range->size(), start, stop, step, first, stride);
    return range->slice(in.heap(), first, stride, count);
  }
  if (value.is_dict()) throw Failure("unhashable type: 'slice'");
  throw Failure(fmt::format("'{}' object is not subscriptable", type_name(value)));
}

}  // namespace moe::jinja
