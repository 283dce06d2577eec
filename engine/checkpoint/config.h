// Checked reading of configuration values: config.json and its like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace moe {

// Larger than any real vocabulary, width or context, and small enough that the product of two of them fits 63
// bits.
inline constexpr std::int64_t kMaxDimension = std::int64_t{1} << 30;

enum class ConfigKind { absent, boolean, integer, number, string, array, object };

// One JSON object of a configuration file, with the path that led to it. Cheap to copy; immutable, so that
// threads may share it. A key whose value is null counts as absent. Every getter throws an Error of kind
// config that names the file, the key's path, what was expected and what was found.
class Config {
 public:
  // Reads a file whose outermost value is an object. Errors: io, format, limit.
  static Config open(const std::filesystem::path& path);
  static Config parse(std::string_view text, std::string_view file);

  const std::string& file() const noexcept { return file_; }
  // The place of this object in the file: "" for the outermost one, "text_config.rope_parameters".
  const std::string& path() const noexcept { return path_; }
  std::string path_of(std::string_view key) const;

  bool has(std::string_view key) const { return kind(key) != ConfigKind::absent; }
  ConfigKind kind(std::string_view key) const;
  // The key is there and null: for the few where that says more than a missing key does.
  bool is_null(std::string_view key) const;
  std::vector<std::string> keys() const;
  // The first of several spellings of one key that is present; the first one if none is, so that a getter's
  // complaint names the usual spelling.
  std::string_view first_of(std::initializer_list<std::string_view> spellings) const;

  static constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
  // An integer in [min, max]; 3.0 is no integer.
  std::int64_t integer(std::string_view key, std::int64_t min = kLowest, std::int64_t max = kHighest) const;
  std::int64_t integer_or(std::string_view key, std::int64_t otherwise, std::int64_t min = kLowest,
                          std::int64_t max = kHighest) const;
  // A size: an integer in [1, max].
  std::int64_t dimension(std::string_view key, std::int64_t max = kMaxDimension) const {
    return integer(key, 1, max);
  }
  std::int64_t dimension_or(std::string_view key, std::int64_t otherwise,
                            std::int64_t max = kMaxDimension) const {
    return integer_or(key, otherwise, 1, max);
  }
  // A finite number; integers are numbers too.
  double number(std::string_view key) const;
  double number_or(std::string_view key, double otherwise) const;
  // A finite number above zero: an epsilon, a RoPE base, a scale.
  double positive(std::string_view key) const;
  double positive_or(std::string_view key, double otherwise) const;
  bool boolean(std::string_view key) const;
  bool boolean_or(std::string_view key, bool otherwise) const;
  std::string string(std::string_view key) const;
  std::string string_or(std::string_view key, std::string_view otherwise) const;

  // Arrays; every element is checked as the scalar getters check, and named "key[3]" where it is wrong.
  std::vector<std::int64_t> integers(std::string_view key, std::int64_t min = kLowest,
                                     std::int64_t max = kHighest) const;
  std::vector<double> numbers(std::string_view key) const;
  std::vector<std::string> strings(std::string_view key) const;
  std::vector<bool> booleans(std::string_view key) const;
  // As integers(), but a single integer counts as an array of one: eos_token_id.
  std::vector<std::int64_t> integer_list(std::string_view key, std::int64_t min = kLowest,
                                         std::int64_t max = kHighest) const;

  // A nested object.
  Config section(std::string_view key) const;
  std::optional<Config> find_section(std::string_view key) const;
  // An array of objects.
  std::vector<Config> sections(std::string_view key) const;

  // An error about a key's value; `found` defaults to the value in the file.
  Error error(std::string_view key, std::string_view expected) const;
  Error error(std::string_view key, std::string_view expected, std::string_view found) const;

 private:
  Config(std::shared_ptr<const nlohmann::json> root, const nlohmann::json* node, std::string file,
         std::string path);
  const nlohmann::json* find(std::string_view key) const;
  const nlohmann::json& require(std::string_view key, std::string_view expected) const;
  const nlohmann::json& require_array(std::string_view key, std::string_view expected) const;

  std::shared_ptr<const nlohmann::json> root_;
  const nlohmann::json* node_;
  std::string file_;
  std::string path_;
};

}  // namespace moe
