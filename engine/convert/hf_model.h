// A Hugging Face directory as the source of a conversion.
#pragma once

#include <filesystem>

#include "engine/convert/model_image.h"

namespace moe {

// Tensors of all shards, config.json, and copies of the tokenizer and other small files (JSON, Jinja,
// tokenizer models, licences). Throws Error: io, format; unsupported for quantised checkpoints (their tensors
// are not weights by themselves) and for tensors of integers.
ModelImage read_hf_model(const std::filesystem::path& directory);

}  // namespace moe
