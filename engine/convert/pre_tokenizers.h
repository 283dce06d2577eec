// The splitting rules that GGUF files name, as pieces of a tokenizer.json.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace moe {

// The "pre_tokenizer" and "normalizer" entries of tokenizer.json for a name that pre_tokenizer_traits knows.
nlohmann::ordered_json byte_level_pre_tokenizer(std::string_view name);
nlohmann::ordered_json byte_level_normalizer(std::string_view name);
// The names it knows, for messages.
std::string known_pre_tokenizers();

}  // namespace moe
