// The table of filters, and attribute paths.
#include "engine/text/template/filters.h"

#include <charconv>
#include <unordered_map>

#include "engine/text/template/attribute_path.h"
#include "engine/text/template/evaluator.h"
#include "engine/text/template/text_ops.h"

namespace moe::jinja {

FilterFunction find_filter(std::string_view name) {
  static const auto table = [] {
    std::unordered_map<std::string_view, FilterFunction> filters;
    for (const auto* list : {&text_filters(), &sequence_filters(), &number_filters()}) {
      for (const NamedFilter& filter : *list) filters.emplace(filter.name, filter.function);
    }
    return filters;
  }();
  const auto it = table.find(name);
  return it == table.end() ? nullptr : it->second;
}

AttributePath::AttributePath(const Value& attribute) {
  if (attribute.is_none()) return;
  if (!attribute.is_string()) {
    parts_.push_back({{}, attribute});
    return;
  }
  for (const std::string_view part : split(attribute.as_view(), ".", -1, false)) {
    std::int64_t index = 0;
    const auto [end, ec] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index =
        ec == std::errc{} && end == part.data() + part.size() && index >= 0 && !part.starts_with('-');
    parts_.push_back({std::string(part), is_index ? Value::integer(index) : Value()});
  }
}

Value AttributePath::of(Interpreter& in, Value item, const Value* otherwise) const {
  for (const Part& part : parts_) {
    item = in.item(item, part.index.is_none() ? in.string(part.name) : part.index);
    if (otherwise && item.is_undefined()) item = *otherwise;
  }
  return item;
}

std::vector<AttributePath> attribute_paths(const Value& attribute) {
  std::vector<AttributePath> paths;
  if (!attribute.is_string()) {
    paths.emplace_back(attribute);
    return paths;
  }
  Heap heap;
  for (const std::string_view part : split(attribute.as_view(), ",", -1, false)) {
    paths.emplace_back(heap.string(std::string(part)));
  }
  return paths;
}

}  // namespace moe::jinja
