#include "engine/checkpoint/config.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/base/json.h"

namespace moe {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestValue = 80;

JsonLimits config_limits() {
  JsonLimits limits;
  limits.bytes = std::size_t{64} << 20;
  limits.values = 4'000'000;
  limits.allow_non_finite = true;  // Python writes them; only a getter that meets one complains
  return limits;
}

std::string value_text(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return fmt::format("an array of {}", value.size());
    case Json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      if (text.size() <= kLongestValue) return fmt::format("\"{}\"", text);
      return fmt::format("a string of {} bytes", text.size());
    }
    case Json::value_t::number_float:
      return fmt::format("{}", value.get<double>());
    default:
      return value.dump();
  }
}

std::string integer_text(std::int64_t min, std::int64_t max) {
  if (min == Config::kLowest && max == Config::kHighest) return "an integer";
  if (max == Config::kHighest) return fmt::format("an integer of at least {}", min);
  if (min == Config::kLowest) return fmt::format("an integer of at most {}", max);
  return fmt::format("an integer from {} to {}", min, max);
}

// The converters give nothing where the value is of another kind or out of range.
std::optional<std::int64_t> as_integer(const Json& value, std::int64_t min, std::int64_t max) {
  std::int64_t number = 0;
  if (value.is_number_unsigned()) {
    const auto wide = value.get<std::uint64_t>();
    if (!std::in_range<std::int64_t>(wide)) return std::nullopt;
    number = static_cast<std::int64_t>(wide);
  } else if (value.is_number_integer()) {
    number = value.get<std::int64_t>();
  } else {
    return std::nullopt;
  }
  if (number < min || number > max) return std::nullopt;
  return number;
}

// A number that a float can hold: that is what becomes of most of them.
std::optional<double> as_number(const Json& value) {
  if (!value.is_number() || !(std::fabs(value.get<double>()) <= std::numeric_limits<float>::max())) return std::nullopt;
  return value.get<double>();
}

std::optional<std::string> as_string(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

std::optional<bool> as_boolean(const Json& value) {
  if (!value.is_boolean()) return std::nullopt;
  return value.get<bool>();
}

}  // namespace

Config::Config(std::shared_ptr<const Json> root, const Json* node, std::string file, std::string path)
    : root_(std::move(root)), node_(node), file_(std::move(file)), path_(std::move(path)) {}

Config Config::open(const std::filesystem::path& path) {
  auto root = std::make_shared<const Json>(parse_json_file(path, config_limits()));
  const Json* node = root.get();
  if (!node->is_object()) {
    throw Error(ErrorKind::config, Fault{path.string(), "outermost value", "an object", value_text(*node)});
  }
  return {std::move(root), node, path.string(), ""};
}

Config Config::parse(std::string_view text, std::string_view file) {
  auto root = std::make_shared<const Json>(parse_json(text, file, config_limits()));
  const Json* node = root.get();
  if (!node->is_object()) {
    throw Error(ErrorKind::config,
                Fault{std::string(file), "outermost value", "an object", value_text(*node)});
  }
  return {std::move(root), node, std::string(file), ""};
}

std::string Config::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const Json* Config::find(std::string_view key) const {
  const auto found = node_->find(key);
  return found == node_->end() || found->is_null() ? nullptr : &*found;
}

bool Config::is_null(std::string_view key) const {
  const auto found = node_->find(key);
  return found != node_->end() && found->is_null();
}

ConfigKind Config::kind(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return ConfigKind::absent;
  switch (value->type()) {
    case Json::value_t::boolean:
      return ConfigKind::boolean;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return ConfigKind::integer;
    case Json::value_t::number_float:
      return ConfigKind::number;
    case Json::value_t::string:
      return ConfigKind::string;
    case Json::value_t::array:
      return ConfigKind::array;
    default:
      return ConfigKind::object;
  }
}

std::vector<std::string> Config::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : node_->items()) {
    if (!value.is_null()) out.push_back(key);
  }
  return out;
}

std::string_view Config::first_of(std::initializer_list<std::string_view> spellings) const {
  for (const std::string_view key : spellings) {
    if (has(key)) return key;
  }
  return spellings.size() == 0 ? std::string_view() : *spellings.begin();
}

Error Config::error(std::string_view key, std::string_view expected, std::string_view found) const {
  return {ErrorKind::config, Fault{file_, path_of(key), std::string(expected), std::string(found)}};
}

Error Config::error(std::string_view key, std::string_view expected) const {
  const auto found = node_->find(key);
  return error(key, expected, found == node_->end() ? "nothing" : value_text(*found));
}

const Json& Config::require(std::string_view key, std::string_view expected) const {
  const Json* value = find(key);
  if (value == nullptr) throw error(key, expected);
  return *value;
}

const Json& Config::require_array(std::string_view key, std::string_view expected) const {
  const Json& value = require(key, expected);
  if (!value.is_array()) throw error(key, expected);
  return value;
}

std::int64_t Config::integer(std::string_view key, std::int64_t min, std::int64_t max) const {
  const std::string expected = integer_text(min, max);
  if (const auto value = as_integer(require(key, expected), min, max)) return *value;
  throw error(key, expected);
}

std::int64_t Config::integer_or(std::string_view key, std::int64_t otherwise, std::int64_t min,
                                std::int64_t max) const {
  return has(key) ? integer(key, min, max) : otherwise;
}

double Config::number(std::string_view key) const {
  if (const auto value = as_number(require(key, "a finite number"))) return *value;
  throw error(key, "a finite number");
}

double Config::number_or(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}

double Config::positive(std::string_view key) const {
  const auto value = as_number(require(key, "a finite number above 0"));
  if (!value || *value <= 0) throw error(key, "a finite number above 0");
  return *value;
}

double Config::positive_or(std::string_view key, double otherwise) const {
  return has(key) ? positive(key) : otherwise;
}

bool Config::boolean(std::string_view key) const {
  if (const auto value = as_boolean(require(key, "true or false"))) return *value;
  throw error(key, "true or false");
}

bool Config::boolean_or(std::string_view key, bool otherwise) const {
  return has(key) ? boolean(key) : otherwise;
}

std::string Config::string(std::string_view key) const {
  if (auto value = as_string(require(key, "a string"))) return *std::move(value);
  throw error(key, "a string");
}

std::string Config::string_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? string(key) : std::string(otherwise);
}

namespace {

// Converts each element, or names the first wrong one.
template <class T, class Convert>
std::vector<T> elements(const Config& config, std::string_view key, const Json& array,
                        std::string_view expected, Convert convert) {
  std::vector<T> out;
  out.reserve(array.size());
  for (std::size_t i = 0; i < array.size(); ++i) {
    auto value = convert(array[i]);
    if (!value) throw config.error(fmt::format("{}[{}]", key, i), expected, value_text(array[i]));
    out.push_back(*std::move(value));
  }
  return out;
}

}  // namespace

std::vector<std::int64_t> Config::integers(std::string_view key, std::int64_t min, std::int64_t max) const {
  return elements<std::int64_t>(*this, key, require_array(key, "an array of integers"),
                                integer_text(min, max),
                                [=](const Json& value) { return as_integer(value, min, max); });
}

std::vector<double> Config::numbers(std::string_view key) const {
  return elements<double>(*this, key, require_array(key, "an array of numbers"), "a finite number",
                          as_number);
}

std::vector<std::string> Config::strings(std::string_view key) const {
  return elements<std::string>(*this, key, require_array(key, "an array of strings"), "a string", as_string);
}

std::vector<bool> Config::booleans(std::string_view key) const {
  return elements<bool>(*this, key, require_array(key, "an array of booleans"), "true or false", as_boolean);
}

std::vector<std::int64_t> Config::integer_list(std::string_view key, std::int64_t min,
                                               std::int64_t max) const {
  if (kind(key) == ConfigKind::integer) return {integer(key, min, max)};
  return elements<std::int64_t>(*this, key, require_array(key, "an integer or an array of integers"),
                                integer_text(min, max),
                                [=](const Json& value) { return as_integer(value, min, max); });
}

Config Config::section(std::string_view key) const {
  const Json& value = require(key, "an object");
  if (!value.is_object()) throw error(key, "an object");
  return {root_, &value, file_, path_of(key)};
}

std::optional<Config> Config::find_section(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  return section(key);
}

std::vector<Config> Config::sections(std::string_view key) const {
  const Json& array = require_array(key, "an array of objects");
  std::vector<Config> out;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const std::string name = fmt::format("{}[{}]", key, i);
    if (!array[i].is_object()) throw error(name, "an object", value_text(array[i]));
    out.push_back(Config(root_, &array[i], file_, path_of(name)));
  }
  return out;
}

}  // namespace moe
