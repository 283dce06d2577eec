// llama2.c checkpoints (.bin, versions 0 to 2) and their tokenizers as Hugging Face models.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "engine/convert/model_image.h"
#include "engine/convert/vocabulary.h"

namespace moe {

// Where the parts of a checkpoint lie, as its header says. Version 0 is the headerless "legacy" layout of
// seven integers; versions 1 (float) and 2 (int8 in groups with a float scale each) begin with the magic
// number "ak42".
struct Llama2cHeader {
  int version = 0;
  std::int64_t hidden = 0, intermediate = 0, layers = 0, heads = 0, kv_heads = 0, vocabulary = 0, context = 0;
  bool tied = false;          // the classifier is the embedding
  std::int64_t group = 0;     // version 2: elements that share a scale
  std::uint64_t data_at = 0;  // bytes before the first tensor
};

// Checks the header and that the file's size is what the header implies, to the byte. Throws Error (format,
// unsupported).
Llama2cHeader read_llama2c_header(std::span<const std::byte> bytes, const std::string& file);

// The tensors, under Hugging Face names and in its row order, as views into `bytes`.
std::vector<ImageTensor> llama2c_tensors(std::span<const std::byte> bytes, const Llama2cHeader& header);

// The tokenizer .bin: the longest token, then score, length and text of each of `count` tokens.
Vocabulary read_llama2c_tokenizer(std::span<const std::byte> bytes, const std::string& file,
                                  std::int64_t count);

// `tokenizer`: the tokenizer's file. Without one, the only .bin file beside the model that reads as a
// tokenizer of its vocabulary is taken; none or several are errors that ask for --tokenizer.
ModelImage read_llama2c_model(const std::filesystem::path& path,
                              const std::optional<std::filesystem::path>& tokenizer);

}  // namespace moe
