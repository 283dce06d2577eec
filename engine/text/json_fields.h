// Reading fields of small JSON objects, with errors that name the file and the key.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace moe::json_fields {

[[noreturn]] inline void wrong(std::string_view file, std::string_view thing, std::string_view expected,
                               const nlohmann::json& found) {
  std::string text = found.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 80) + "...";
  throw Error(ErrorKind::format, Fault{std::string(file), std::string(thing), std::string(expected), text});
}

inline const nlohmann::json& need(const nlohmann::json& object, const char* key, std::string_view file,
                                  std::string_view thing) {
  if (!object.is_object()) wrong(file, thing, "an object", object);
  const auto it = object.find(key);
  if (it == object.end())
    throw Error(ErrorKind::format,
                Fault{std::string(file), fmt::format("{}.{}", thing, key), "a value", "none"});
  return *it;
}

inline const std::string& text(const nlohmann::json& object, const char* key, std::string_view file,
                               std::string_view thing) {
  const auto& value = need(object, key, file, thing);
  if (!value.is_string()) wrong(file, fmt::format("{}.{}", thing, key), "a string", value);
  return value.get_ref<const std::string&>();
}

inline bool flag(const nlohmann::json& object, const char* key, std::string_view file,
                 std::string_view thing) {
  const auto& value = need(object, key, file, thing);
  if (!value.is_boolean()) wrong(file, fmt::format("{}.{}", thing, key), "true or false", value);
  return value.get<bool>();
}

// Absent and null mean `otherwise`.
inline bool flag(const nlohmann::json& object, const char* key, bool otherwise, std::string_view file,
                 std::string_view thing) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? otherwise : flag(object, key, file, thing);
}

inline std::uint64_t whole(const nlohmann::json& object, const char* key, std::string_view file,
                           std::string_view thing) {
  const auto& value = need(object, key, file, thing);
  if (!value.is_number_unsigned()) wrong(file, fmt::format("{}.{}", thing, key), "a whole number", value);
  return value.get<std::uint64_t>();
}

inline const std::string& type_of(const nlohmann::json& object, std::string_view file,
                                  std::string_view thing) {
  return text(object, "type", file, thing);
}

[[noreturn]] inline void unknown_type(std::string_view file, std::string_view thing, std::string_view known,
                                      std::string_view found) {
  throw Error(ErrorKind::unsupported, Fault{std::string(file), fmt::format("{}.type", thing),
                                            std::string(known), fmt::format("'{}'", found)});
}

// One stage of a tokenizer (`thing`): calls add(step, type) for the object itself or, where its type is
// "Sequence", for each of those in its array `list`, however deep. `steps` is what `add` fills, with at most
// `most` of them.
template <typename Steps, typename Add>
void each_step(const nlohmann::json& json, const char* list, std::string_view file, const std::string& thing,
               const Steps& steps, std::size_t most, const Add& add) {
  if (steps.size() >= most) {
    throw Error(ErrorKind::limit,
                Fault{std::string(file), thing, fmt::format("at most {} steps", most), "more"});
  }
  const std::string& type = type_of(json, file, thing);
  if (type != "Sequence") return add(json, type);
  const auto& parts = need(json, list, file, thing);
  if (!parts.is_array()) wrong(file, fmt::format("{}.{}", thing, list), "an array", parts);
  for (const auto& each : parts) each_step(each, list, file, thing, steps, most, add);
}

}  // namespace moe::json_fields
