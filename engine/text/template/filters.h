// The named filters and tests of the language.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "engine/text/template/value.h"

namespace moe::jinja {

using FilterFunction = Value (*)(Interpreter&, const Value& subject, Arguments&);
using TestFunction = bool (*)(Interpreter&, const Value& subject, Arguments&);
FilterFunction find_filter(std::string_view name);  // null if there is none
TestFunction find_test(std::string_view name);

// A filter of one of the files that define them.
struct NamedFilter {
  std::string_view name;
  FilterFunction function;
};
const std::vector<NamedFilter>& text_filters();
const std::vector<NamedFilter>& sequence_filters();
const std::vector<NamedFilter>& number_filters();

}  // namespace moe::jinja
