// Call arguments matched to parameter names, as Python matches them.
#pragma once

#include <array>
#include <initializer_list>
#include <string_view>

#include "engine/text/template/value.h"

namespace moe::jinja {

class Bound {
 public:
  // Throws Failure for too many arguments, unknown names, names given twice, or missing required ones.
  Bound(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names,
        std::size_t required = 0);

  bool has(std::size_t i) const { return given_[i]; }
  const Value& at(std::size_t i) const { return values_[i]; }
  Value get(std::size_t i, const Value& otherwise) const { return given_[i] ? values_[i] : otherwise; }
  bool flag(std::size_t i, bool otherwise) const { return given_[i] ? truth(values_[i]) : otherwise; }
  std::int64_t integer(std::size_t i, std::int64_t otherwise) const;
  // None counts as not given.
  bool some(std::size_t i) const { return given_[i] && !values_[i].is_none(); }
  std::string_view view(std::size_t i) const;  // throws unless a string

 private:
  static constexpr std::size_t kMost = 6;
  std::string_view function_;
  std::array<Value, kMost> values_;
  std::array<bool, kMost> given_{};
};

}  // namespace moe::jinja
