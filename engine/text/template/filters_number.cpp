// Filters on numbers.
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "engine/text/template/arguments.h"
#include "engine/text/template/evaluator.h"
#include "engine/text/template/filters.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"
#include "engine/text/template/text_ops.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

[[noreturn]] void too_large() { throw Failure(ErrorKind::limit, "an integer grew beyond 64 bits"); }

Value abs_filter(Interpreter&, const Value& subject, Arguments& arguments) {
  const Bound args("abs", arguments, {});
  if (subject.is_integral())
    return subject.as_integer() < 0 ? negate(subject) : Value::integer(subject.as_integer());
  if (subject.is(Kind::real)) return Value::real(std::fabs(subject.as_real()));
  throw Failure(fmt::format("bad operand type for abs(): '{}'", type_name(subject)));
}

bool parse_python_int(std::string_view text, std::int64_t base, std::int64_t& out) {
  text = strip(text);
  bool negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const auto prefixed = [&](char letter) {
    return text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == letter;
  };
  const std::int64_t marked = prefixed('x') ? 16 : prefixed('o') ? 8 : prefixed('b') ? 2 : 0;
  if (marked != 0 && (base == marked || base == 0)) {
    text.remove_prefix(text[2] == '_' ? 3 : 2);
    base = marked;
  } else if (base == 0) {
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string_view::npos)
      return false;
    base = 10;
  }
  std::string digits = negative ? "-" : "";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      if (i == 0 || i + 1 == text.size() || text[i + 1] == '_') return false;
    } else {
      digits += text[i];
    }
  }
  if (text.empty() || text[0] == '-') return false;
  const auto [end, ec] =
      std::from_chars(digits.data(), digits.data() + digits.size(), out, static_cast<int>(base));
  if (end != digits.data() + digits.size() || ec == std::errc::invalid_argument) return false;
  if (ec == std::errc::result_out_of_range) too_large();
  return true;
}

Value truncated(double value) {
  if (std::isinf(value)) throw Failure("cannot convert float infinity to integer");
  if (std::fabs(value) >= 9.2e18) too_large();
  return Value::integer(static_cast<std::int64_t>(value));
}

Value int_filter(Interpreter&, const Value& subject, Arguments& arguments) {
  const Bound args("int", arguments, {"default", "base"});
  const Value otherwise = args.get(0, Value::integer(0));
  if (subject.is_undefined()) fail_undefined(subject);
  if (subject.is_integral()) return Value::integer(subject.as_integer());
  if (subject.is(Kind::big_integer)) return subject;
  if (subject.is(Kind::real)) return std::isnan(subject.as_real()) ? otherwise : truncated(subject.as_real());
  if (!subject.is_string()) return otherwise;
  const std::int64_t base = args.integer(1, 10);
  std::int64_t whole = 0;
  if ((base == 0 || (base >= 2 && base <= 36)) && parse_python_int(subject.as_view(), base, whole)) {
    return Value::integer(whole);
  }
  double real = 0;
  if (!parse_python_float(subject.as_view(), real) || !std::isfinite(real)) return otherwise;
  return truncated(real);
}

Value float_filter(Interpreter&, const Value& subject, Arguments& arguments) {
  const Bound args("float", arguments, {"default"});
  if (subject.is_undefined()) fail_undefined(subject);
  if (subject.is_integral() || subject.is(Kind::real)) return Value::real(subject.as_real());
  double value = 0;
  if (subject.is_string() && parse_python_float(subject.as_view(), value)) return Value::real(value);
  if (subject.is(Kind::big_integer)) return Value::real(parse_double(subject.as_view()));
  return args.get(0, Value::real(0.0));
}

// round(value, places): to the nearest decimal of the exact binary value, ties to even.
double rounded(double value, std::int64_t places) {
  if (!std::isfinite(value) || places > 323) return value;
  if (places < -308) return std::copysign(0.0, value);
  if (places >= 0) return parse_double(fmt::format("{:.{}f}", value, places));
  const double unit = std::pow(10.0, static_cast<double>(-places));
  return std::nearbyint(value / unit) * unit;
}

std::int64_t rounded_integer(std::int64_t value, std::int64_t places) {
  if (places >= 0) return value;
  if (places < -18) return 0;
  std::int64_t unit = 1;
  for (std::int64_t i = 0; i > places; --i) unit *= 10;
  const std::int64_t rest = value % unit;
  std::int64_t base = value - rest;
  const std::int64_t twice = 2 * std::abs(rest);
  if (twice > unit || (twice == unit && (base / unit) % 2 != 0)) base += rest < 0 ? -unit : unit;
  return base;
}

Value round_filter(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("round", arguments, {"precision", "method"});
  const std::string method = args.has(1) ? str(args.at(1)) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    throw Failure("method must be common, ceil or floor");
  }
  const std::int64_t places = args.integer(0, 0);
  if (!subject.is_integral() && !subject.is(Kind::real)) {
    if (method == "common") {
      throw Failure(fmt::format("type {} doesn't define __round__ method", type_name(subject)));
    }
    if (subject.is_undefined()) fail_undefined(subject);
    throw Failure(fmt::format("must be real number, not {}", type_name(subject)));
  }
  if (method == "common") {
    if (subject.is_integral()) return Value::integer(rounded_integer(subject.as_integer(), places));
    return Value::real(rounded(subject.as_real(), places));
  }
  const Value unit = arithmetic(in, ExprKind::power, Value::integer(10), Value::integer(places));
  const Value scaled = arithmetic(in, ExprKind::multiply, subject, unit);
  const double whole = method == "ceil" ? std::ceil(scaled.as_real()) : std::floor(scaled.as_real());
  return arithmetic(in, ExprKind::divide, truncated(whole), unit);
}

Value filesizeformat(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("filesizeformat", arguments, {"binary"});
  Arguments none;
  if (!subject.is_number() && !subject.is_string()) throw Failure("filesizeformat needs a number");
  const double bytes = float_filter(in, subject, none).as_real();
  const bool binary = args.flag(0, false);
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return in.string("1 Byte");
  if (bytes < base) return in.string(fmt::format("{:.0f} Bytes", std::trunc(bytes)));
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  for (std::size_t i = 0;; ++i) {
    unit *= base;
    if (bytes < unit || i + 1 == kPrefixes.size()) {
      const char prefix = binary && i == 0 ? 'K' : kPrefixes[i];
      return in.string(fmt::format("{:.1f} {}{}", base * bytes / unit, prefix, binary ? "iB" : "B"));
    }
  }
}

}  // namespace

const std::vector<NamedFilter>& number_filters() {
  static const std::vector<NamedFilter> filters = {
      {"abs", abs_filter},
      {"int", int_filter},
      {"float", float_filter},
      {"round", round_filter},
      {"filesizeformat", filesizeformat},
  };
  return filters;
}

}  // namespace moe::jinja
