// A checkpoint whose greedy reply is written down, for tests of what programs do with replies.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace moe::test {

// Writes config.json, weights and tokenizer.json: after script[i] the model always draws script[i + 1], and
// stops at the last. The first is the token that prompts end with; all must differ. A token is one ASCII
// character, a byte such as "<0xC3>", or any other text, which then is an added token. Prompts may be of
// ASCII and of these.
void write_scripted_model(const std::filesystem::path& folder, const std::vector<std::string>& script);

}  // namespace moe::test
