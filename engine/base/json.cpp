#include "engine/base/json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/base/files.h"

namespace moe {
namespace {

nlohmann::json scalar(const JsonReader& reader, JsonEvent event) {
  switch (event) {
    case JsonEvent::string:
      return std::string(reader.string());
    case JsonEvent::unsigned_integer:
      return reader.unsigned_integer();
    case JsonEvent::negative_integer:
      return reader.negative_integer();
    case JsonEvent::number:
      return reader.number();
    case JsonEvent::boolean:
      return reader.boolean();
    default:
      return nullptr;
  }
}

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view name, const JsonLimits& limits) {
  JsonReader reader(text, name, limits);
  nlohmann::json root;
  std::vector<nlohmann::json*> open;  // the arrays and objects we are in; an element of one does not move
  nlohmann::json* member = nullptr;   // where the value of the last key goes
  const auto place = [&](nlohmann::json&& value) -> nlohmann::json* {
    if (open.empty()) return &(root = std::move(value));
    if (open.back()->is_object()) return &(*member = std::move(value));
    auto& array = open.back()->get_ref<nlohmann::json::array_t&>();
    return &array.emplace_back(std::move(value));
  };
  for (;;) {
    const JsonEvent event = reader.next();
    switch (event) {
      case JsonEvent::begin_object:
        open.push_back(place(nlohmann::json::object()));
        break;
      case JsonEvent::begin_array:
        open.push_back(place(nlohmann::json::array()));
        break;
      case JsonEvent::end_object:
      case JsonEvent::end_array:
        open.pop_back();
        break;
      case JsonEvent::key: {
        auto& object = open.back()->get_ref<nlohmann::json::object_t&>();
        const auto [entry, inserted] = object.try_emplace(std::string(reader.string()));
        if (!inserted && limits.unique_keys) {
          throw Error(ErrorKind::format,
                      Fault{std::string(name), fmt::format("key \"{}\" ({})", entry->first, reader.place()),
                            "each key once in an object", "a second one"});
        }
        member = &entry->second;
        break;
      }
      case JsonEvent::end:
        return root;
      default:
        place(scalar(reader, event));
    }
  }
}

nlohmann::json parse_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  return parse_json(read_file(path, limits.bytes), path.string(), limits);
}

}  // namespace moe
