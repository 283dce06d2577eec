// Reads a model in any of the formats that moe-convert knows.
#pragma once

#include <filesystem>
#include <optional>

#include "engine/convert/model_image.h"

namespace moe {

// `input`: a GGUF file (told by its first bytes), a llama2.c .bin file, a Hugging Face directory, or the name
// of a model in the Hugging Face cache. `tokenizer` goes with llama2.c files only. Throws Error: io where
// there is nothing of that name, unsupported for a file of another kind, usage for a tokenizer with another
// format, and what the readers of the formats throw.
ModelImage read_any_model(const std::filesystem::path& input,
                          const std::optional<std::filesystem::path>& tokenizer);

}  // namespace moe
