// Matching of call arguments to parameter names.
#include "engine/text/template/arguments.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"

namespace moe::jinja {

Bound::Bound(std::string_view function, const Arguments& arguments,
             std::initializer_list<std::string_view> names, std::size_t required)
    : function_(function) {
  if (arguments.positional.size() > names.size()) {
    throw Failure(fmt::format("{}() takes at most {} argument(s) ({} given)", function, names.size(),
                              arguments.positional.size()));
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    values_[i] = arguments.positional[i];
    given_[i] = true;
  }
  for (const auto& [name, value] : arguments.keywords) {
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end()) {
      throw Failure(fmt::format("{}() got an unexpected keyword argument {}", function, string_repr(name)));
    }
    const auto i = static_cast<std::size_t>(it - names.begin());
    if (given_[i]) {
      throw Failure(fmt::format("{}() got multiple values for argument {}", function, string_repr(name)));
    }
    values_[i] = value;
    given_[i] = true;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!given_[i]) {
      throw Failure(fmt::format("{}() missing required argument: '{}'", function, names.begin()[i]));
    }
  }
}

std::int64_t Bound::integer(std::size_t i, std::int64_t otherwise) const {
  if (!given_[i]) return otherwise;
  if (values_[i].is_undefined()) fail_undefined(values_[i]);
  if (values_[i].is_integral()) return values_[i].as_integer();
  throw Failure(fmt::format("'{}' object cannot be interpreted as an integer", type_name(values_[i])));
}

std::string_view Bound::view(std::size_t i) const {
  if (!values_[i].is_string()) {
    throw Failure(fmt::format("{}() argument must be str, not {}", function_, type_name(values_[i])));
  }
  return values_[i].as_view();
}

}  // namespace moe::jinja
