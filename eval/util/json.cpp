// Reading untrusted JSON with faults that name file, key, expected and found.
#include "eval/util/json.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"

namespace moe::eval {
namespace {

constexpr int kDeepest = 64;

std::string join(std::initializer_list<std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) out += (out.empty() ? "" : ", ") + fmt::format("\"{}\"", word);
  return out;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& file, const std::string& thing) {
  std::vector<std::set<std::string>> seen;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDeepest) {
      throw Error(ErrorKind::limit, Fault{file, thing, fmt::format("nesting of at most {}", kDeepest), "deeper JSON"});
    }
    if (event == Json::parse_event_t::object_start) seen.emplace_back();
    if (event == Json::parse_event_t::object_end) seen.pop_back();
    if (event == Json::parse_event_t::key && !seen.back().insert(parsed.get<std::string>()).second) {
      throw Error(ErrorKind::format,
                  Fault{file, thing, "each key once", fmt::format("\"{}\" twice", parsed.get<std::string>())});
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::exception& e) {
    // The library's message starts with its own bracketed id; the rest says what and where.
    std::string what = e.what();
    if (const auto cut = what.find("] "); cut != std::string::npos) what.erase(0, cut + 2);
    throw Error(ErrorKind::format, Fault{file, thing, "JSON", what});
  }
}

std::string describe_json(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::string: return fmt::format("the string \"{}\"", value.get_ref<const std::string&>());
    case Json::value_t::array: return fmt::format("an array of {}", value.size());
    case Json::value_t::object: return fmt::format("an object of {} keys", value.size());
    case Json::value_t::discarded: return "nothing";
    default: return value.dump();
  }
}

std::string python_dump(const Json& value) { return value.dump(2, ' ', false, Json::error_handler_t::replace); }

std::string line_dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

ObjectReader::ObjectReader(const Json& object, std::string file, std::string path)
    : object_(object), file_(std::move(file)), path_(std::move(path)) {
  if (!object_.is_object()) {
    throw Error(ErrorKind::config,
                Fault{file_, path_.empty() ? "the file" : path_, "a JSON object", describe_json(object_)});
  }
}

std::string ObjectReader::path_of(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

void ObjectReader::fail(const std::string& key, const std::string& expected, const std::string& found) const {
  throw Error(ErrorKind::config, Fault{file_, path_of(key), expected, found});
}

bool ObjectReader::has(const std::string& key) const { return object_.contains(key); }

const Json& ObjectReader::value(const std::string& key) {
  const auto found = object_.find(key);
  if (found == object_.end()) fail(key, "a value", "no such key");
  read_.insert(key);
  return *found;
}

std::string ObjectReader::text(const std::string& key) {
  if (!has(key)) fail(key, "a string", "no such key");
  const Json& found = value(key);
  if (!found.is_string()) fail(key, "a string", describe_json(found));
  return found.get<std::string>();
}

std::string ObjectReader::text(const std::string& key, std::string fallback) {
  return has(key) ? text(key) : std::move(fallback);
}

bool ObjectReader::flag(const std::string& key, bool fallback) {
  if (!has(key)) return fallback;
  const Json& found = value(key);
  if (!found.is_boolean()) fail(key, "true or false", describe_json(found));
  return found.get<bool>();
}

std::int64_t ObjectReader::integer(const std::string& key, std::int64_t low, std::int64_t high) {
  const std::string expected = fmt::format("an integer from {} to {}", low, high);
  if (!has(key)) fail(key, expected, "no such key");
  const Json& found = value(key);
  if (!found.is_number_integer() || (found.is_number_unsigned() && found.get<std::uint64_t>() > INT64_MAX)) {
    fail(key, expected, describe_json(found));
  }
  const auto number = found.get<std::int64_t>();
  if (number < low || number > high) fail(key, expected, fmt::format("{}", number));
  return number;
}

std::int64_t ObjectReader::integer(const std::string& key, std::int64_t low, std::int64_t high,
                                   std::int64_t fallback) {
  return has(key) ? integer(key, low, high) : fallback;
}

double ObjectReader::number(const std::string& key, double low, double high, double fallback) {
  if (!has(key)) return fallback;
  const Json& found = value(key);
  const std::string expected = fmt::format("a number from {} to {}", low, high);
  if (!found.is_number()) fail(key, expected, describe_json(found));
  const double number = found.get<double>();
  if (!(number >= low && number <= high)) fail(key, expected, describe_json(found));
  return number;
}

std::string ObjectReader::word(const std::string& key, std::initializer_list<std::string_view> allowed) {
  const std::string found = text(key);
  if (std::find(allowed.begin(), allowed.end(), found) == allowed.end()) {
    fail(key, "one of " + join(allowed), fmt::format("\"{}\"", found));
  }
  return found;
}

std::string ObjectReader::word(const std::string& key, std::initializer_list<std::string_view> allowed,
                               std::string fallback) {
  return has(key) ? word(key, allowed) : std::move(fallback);
}

std::vector<std::string> ObjectReader::texts(const std::string& key) {
  if (!has(key)) fail(key, "an array of strings", "no such key");
  const Json& found = value(key);
  if (!found.is_array()) fail(key, "an array of strings", describe_json(found));
  std::vector<std::string> out;
  for (const Json& element : found) {
    if (!element.is_string()) fail(key, "an array of strings", "among them " + describe_json(element));
    out.push_back(element.get<std::string>());
  }
  return out;
}

std::vector<std::string> ObjectReader::texts(const std::string& key, std::vector<std::string> fallback) {
  return has(key) ? texts(key) : std::move(fallback);
}

ObjectReader ObjectReader::object(const std::string& key) {
  if (!has(key)) fail(key, "a JSON object", "no such key");
  return ObjectReader(value(key), file_, path_of(key));
}

std::vector<std::string> ObjectReader::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, unused] : object_.items()) out.push_back(key);
  return out;
}

void ObjectReader::finish() const {
  for (const auto& [key, unused] : object_.items()) {
    if (read_.count(key) == 0) {
      std::string known;
      for (const std::string& name : read_) known += (known.empty() ? "" : ", ") + name;
      fail(key, "a key this version knows", "an unknown key beside " + (known.empty() ? "none" : known));
    }
  }
}

}  // namespace moe::eval
