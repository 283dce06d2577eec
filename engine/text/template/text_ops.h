// Text operations that methods and filters share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/template/value.h"

namespace moe::jinja {

// Position of `part`, npos if it is not there; linear time whatever the texts are (std::string_view::find is
// not).
std::size_t find_in(std::string_view text, std::string_view part, std::size_t from = 0);
std::size_t rfind_in(std::string_view text, std::string_view part);

// At most `most` splits if it is not negative.
std::vector<std::string_view> split(std::string_view text, std::string_view separator, std::int64_t most,
                                    bool from_right);
std::vector<std::string_view> split_space(std::string_view text, std::int64_t most, bool from_right);
// Charged and bounded before it grows. A negative `most` replaces all.
std::string replace(Interpreter& in, std::string_view text, std::string_view old, std::string_view with,
                    std::int64_t most);
// To `width` code points; side '<' keeps the text left, '>' right, '^' in the middle as str.center does.
std::string pad(Interpreter& in, const Value& text, std::int64_t width, std::string_view fill, char side);

double parse_double(std::string_view digits);  // of a well-formed literal; overflows to infinity
bool parse_python_float(std::string_view text, double& out);  // float(text); false where Python raises

bool is_upper_text(std::string_view text);
bool is_lower_text(std::string_view text);
bool is_numeric(std::uint32_t c);
std::string to_folded(std::string_view text);  // str.casefold

}  // namespace moe::jinja
