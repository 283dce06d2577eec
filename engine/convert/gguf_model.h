// A GGUF file as a Hugging Face model: configuration, tokenizer, tensors under their Hugging Face names.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "engine/convert/gguf.h"
#include "engine/convert/model_image.h"
#include "engine/convert/vocabulary.h"

namespace moe {

// Maps the file and describes the model; tensors are read later, as they are written. Architectures: llama
// (also with experts, which is Mixtral), qwen2, qwen3, qwen3moe, gemma3. Throws Error: io, format, config for
// a key that is missing or wrong, unsupported for another architecture or anything that the configuration
// could not express, and for tensors that the architecture does not have (leaving them out would change the
// model).
ModelImage read_gguf_model(const std::filesystem::path& path);

// The parts of it, for tests. The tensors of the image are views into the file's bytes.
nlohmann::json gguf_config(const GgufFile& gguf);
Vocabulary gguf_vocabulary(const GgufFile& gguf);
std::vector<ImageTensor> gguf_tensors(const GgufFile& gguf, const nlohmann::json& config);

}  // namespace moe
