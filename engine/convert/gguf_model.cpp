// Opens a GGUF file and puts configuration, tokenizer and tensors together.
#include "engine/convert/gguf_model.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/base/mapped_file.h"

namespace moe {
namespace {

struct OpenGguf {
  MappedFile mapped;
  GgufFile gguf;

  explicit OpenGguf(const std::filesystem::path& path)
      : mapped(MappedFile::open(path)), gguf(mapped.bytes(), path.string()) {}
};

}  // namespace

ModelImage read_gguf_model(const std::filesystem::path& path) {
  const auto open = std::make_shared<OpenGguf>(path);
  nlohmann::json config = gguf_config(open->gguf);
  ModelImage image;
  image.source = path.string();
  image.tensors = gguf_tensors(open->gguf, config);
  for (ImageTensor& tensor : image.tensors) {
    // Pages are given back a tensor at a time: the whole file if need be, as touched ones are read again at
    // once.
    tensor.release = [open] { open->mapped.drop(open->mapped.bytes()); };
  }
  Vocabulary vocabulary = gguf_vocabulary(open->gguf);
  vocabulary.context = config.at("max_position_embeddings").get<std::int64_t>();
  if (static_cast<std::int64_t>(vocabulary.tokens.size()) > config.at("vocab_size").get<std::int64_t>()) {
    throw Error(ErrorKind::format, Fault{path.string(), "key 'tokenizer.ggml.tokens'",
                                         fmt::format("at most {} tokens, the rows of token_embd.weight",
                                                     config.at("vocab_size").get<std::int64_t>()),
                                         std::to_string(vocabulary.tokens.size())});
  }
  image.files = tokenizer_files(vocabulary);
  if (vocabulary.bos) config["bos_token_id"] = *vocabulary.bos;
  if (vocabulary.eos) config["eos_token_id"] = *vocabulary.eos;
  if (vocabulary.pad) config["pad_token_id"] = *vocabulary.pad;
  config["torch_dtype"] = "float32";
  image.files["config.json"] = config.dump(2) + "\n";
  image.owner = open;
  return image;
}

}  // namespace moe
