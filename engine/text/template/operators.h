// Python's operators on values. All throw Failure with Python's message where Python raises.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/text/template/ast.h"
#include "engine/text/template/value.h"

namespace moe::jinja {

Value arithmetic(Interpreter& in, ExprKind op, const Value& a, const Value& b);
Value negate(const Value& a);
Value unary_plus(const Value& a);
bool compare(Interpreter& in, CompareOp op, const Value& a, const Value& b);
bool contains(Interpreter& in, const Value& container, const Value& item);
std::size_t length(const Value& value);  // len(value)
std::optional<std::size_t> try_length(const Value& value);
bool iterable(const Value& value);

// value[start:stop:step]; None stands for a part that is not there.
Value slice(Interpreter& in, const Value& value, const Value& start, const Value& stop, const Value& step);
// Python's slice.indices(): returns the number of elements.
std::size_t slice_indices(std::size_t length, const Value& start, const Value& stop, const Value& step,
                          std::int64_t& first, std::int64_t& stride);
std::int64_t index_value(const Value& value, std::string_view what);  // an integer for __index__, or throws

// str % arguments, and str.format(*args, **kwargs).
Value percent_format(Interpreter& in, const Value& format, const Value& arguments);
Value brace_format(Interpreter& in, const Value& format, const Arguments& arguments);

}  // namespace moe::jinja
