// The attribute="a.b.0" of filters: a path of look-ups into each item.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/text/template/value.h"

namespace moe::jinja {

class AttributePath {
 public:
  // None is the empty path, an integer an index, a string names separated by dots.
  explicit AttributePath(const Value& attribute);
  // `otherwise` replaces what is undefined on the way, unless it is null.
  Value of(Interpreter& in, Value item, const Value* otherwise = nullptr) const;

 private:
  struct Part {
    std::string name;
    Value index;  // None: use the name
  };
  std::vector<Part> parts_;
};

// "a,b": several paths, whose values are compared in turn.
std::vector<AttributePath> attribute_paths(const Value& attribute);

}  // namespace moe::jinja
