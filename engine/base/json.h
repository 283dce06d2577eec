// JSON documents from untrusted files, as nlohmann::json values.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "engine/base/json_reader.h"

namespace moe {

// Parses one JSON text. `name` stands for the file in messages. Throws Error (format or limit) naming file,
// line, what was expected and what was found. Include <nlohmann/json.hpp> where the value is used.
nlohmann::json parse_json(std::string_view text, std::string_view name, const JsonLimits& limits = {});

// Parses a file. Errors as above, or io where the file cannot be read.
nlohmann::json parse_json_file(const std::filesystem::path& path, const JsonLimits& limits = {});

}  // namespace moe
